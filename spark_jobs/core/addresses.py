"""Addresses of tables: a path, or a name in the catalog."""

import os
import re
from dataclasses import dataclass
from typing import Literal

from spark_jobs.core.errors import SettingsError
from udfs.json_files import plain_path

TableFormat = Literal["delta", "parquet"]

_PREFIX = re.compile(r"(delta|parquet):(?!//)(.+)", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_WEB = re.compile(r"https?:/", re.IGNORECASE)
# What a file is called, never a table of a schema.
_FILE_SUFFIXES = (
    *(".parquet", ".json", ".jsonl", ".ndjson", ".txt", ".csv", ".tsv", ".gz"),
    *(".npy", ".svg", ".html", ".yml", ".yaml"),
)
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*){1,2}")


@dataclass(frozen=True)
class Address:
    """A table: `location` is a path or a catalog name; `format` is None where none was said."""

    location: str
    is_path: bool
    format: TableFormat | None

    def __str__(self) -> str:
        return self.location

    @property
    def sql_name(self) -> str:
        """How SQL names the Delta table: delta.`/path` or `catalog`.`schema`.`table`."""
        if self.is_path:
            return f"delta.`{self.location.replace('`', '``')}`"
        return ".".join(f"`{part}`" for part in self.location.split("."))

    def parent(self) -> str:
        """The folder or schema that the table lies in."""
        if self.is_path:
            return self.location.rstrip("/").rpartition("/")[0] or "/"
        return self.location.rpartition(".")[0]


def parse_address(text: str) -> Address:
    """Read `/x/y`, `./x`, `s3://b/x`, `delta:/x`, `parquet:/x` or `catalog.schema.table`.

    A relative path is made absolute, since Spark's driver may run elsewhere. A bare word is
    refused: it could be either.
    """
    if not text.strip():
        raise SettingsError("an address is empty: expected a path or catalog.schema.table")
    if _WEB.match(text):
        raise SettingsError(
            f"address {text!r}: Spark reads no files of the web; download it, and give the file"
        )
    prefixed = _PREFIX.fullmatch(text)
    if prefixed:
        return Address(_absolute(prefixed[2]), True, prefixed[1])  # type: ignore[arg-type]
    if "/" in text or text.endswith(_FILE_SUFFIXES) or os.path.exists(text):
        return Address(_absolute(text), True, None)
    if _NAME.fullmatch(text):
        return Address(text, False, None)
    raise SettingsError(
        f"address {text!r} is neither a path nor schema.table: write './{text}' for a folder"
    )


def absolute_address(text: str) -> str:
    """The address as it reads from any folder one may stand in."""
    address = parse_address(text)
    return f"{address.format}:{address.location}" if address.format else address.location


def table_name(address: str) -> str:
    """The last part of an address: what a table is called."""
    table = parse_address(address)
    if not table.is_path:
        return table.location.rpartition(".")[2]
    return table.location.rstrip("/").rpartition("/")[2].removesuffix(".parquet")


def absolute_file(text: str) -> str:
    """The path of a file, made absolute; a name without a folder lies where one stands."""
    if not text.strip():
        raise SettingsError("a file's name is empty")
    return _absolute(text)


def parse_parent(text: str) -> str:
    """Read where tables are to lie: a folder, made absolute, or `catalog.schema`.

    A bare word that is no folder yet is refused: it could be either.
    """
    parent = parse_address(text)
    if parent.format is not None or (text.count(".") > 1 and not parent.is_path):
        raise SettingsError(f"{text!r}: expected a folder or catalog.schema")
    return parent.location


def local_folder(address: str) -> str:
    """The path of a folder that programs without Spark open; SettingsError where it is none."""
    path = plain_path(address)
    if not path.startswith("/"):
        raise SettingsError(f"{address}: must be a folder that every worker can open as a path")
    return path


def join_address(parent: str, name: str) -> str:
    """The address of a table `name` in a folder or schema."""
    is_path = "/" in parent or parent == "."
    return f"{parent.rstrip('/')}/{name}" if is_path else f"{parent}.{name}"


def _absolute(path: str) -> str:
    if _SCHEME.match(path):
        return path.rstrip("/") if not path.endswith(":/") else path
    return os.path.abspath(os.path.expanduser(path))
