"""Addresses of tables, a path or a catalog name: parsing, joining, making absolute."""

import os
import re
from dataclasses import dataclass
from typing import Literal

from spark_jobs.core.errors import SettingsError
from udfs.file_systems import plain_path

TableFormat = Literal["delta", "parquet"]

_PREFIX = re.compile(r"(delta|parquet):(?!//)(.+)", re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_S3 = re.compile(r"s3n?://")
_WEB = re.compile(r"https?:/", re.IGNORECASE)
# A name with one of these endings is a file, not schema.table.
_FILE_SUFFIXES = (
    *(".parquet", ".json", ".jsonl", ".ndjson", ".txt", ".csv", ".tsv", ".gz"),
    *(".npy", ".svg", ".html", ".yml", ".yaml"),
)
# In back-quotes a part may hold what SQL allows there, but for dots and slashes.
_PART = r"(?:[A-Za-z_]\w*|`[^`./\\]+`)"
_NAME = re.compile(rf"{_PART}(\.{_PART})+")
# No tag of a pretrained open_clip model ends in one.
_CHECKPOINT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_MAX_NAME_PARTS = 3  # catalog.schema.table


@dataclass(frozen=True)
class Address:
    """A parsed address; `format` is None without a prefix.

    `location`: a path, or a catalog name as in SQL, with back-quotes where it has them.
    """

    location: str
    is_path: bool
    format: TableFormat | None

    def __str__(self) -> str:
        return self.location

    @property
    def sql_name(self) -> str:
        """The Delta table's name in SQL: delta.`/path` or `catalog`.`schema`.`table`."""
        if self.is_path:
            return f"delta.`{self.location.replace('`', '``')}`"
        return ".".join(f"`{part.strip('`')}`" for part in self.location.split("."))

    def parent(self) -> str:
        """The folder or schema that contains the table."""
        if self.is_path:
            return self.location.rstrip("/").rpartition("/")[0] or "/"
        return self.location.rpartition(".")[0]


def parse_address(text: str) -> Address:
    """Parse `/x/y`, `x`, `s3://b/x`, `delta:x`, `parquet:x` or `catalog.schema.table`.

    Words with dots between them are the name of a table in a catalog, unless there is a file or
    folder of that name; in back-quotes a part may be any text, as in SQL: `my-lake`.raw.pairs.
    All else is a path: `x`, `./x` and `x/` are one folder. A relative path is made absolute, since
    Spark's driver may run in another folder.
    """
    if not text.strip():
        raise SettingsError("an address is empty: expected a path or catalog.schema.table")
    if _WEB.match(text):
        raise SettingsError(
            f"address {text!r}: Spark reads no files of the web; download it, and give the file"
        )
    with_format = _PREFIX.fullmatch(text)
    if with_format:
        return Address(_absolute(with_format[2]), True, with_format[1])  # type: ignore[arg-type]
    is_name = _NAME.fullmatch(text) and not text.endswith(_FILE_SUFFIXES)
    if not is_name or os.path.exists(text):
        return Address(_absolute(text), True, None)
    if text.count(".") < _MAX_NAME_PARTS:
        return Address(text, False, None)
    raise SettingsError(
        f"address {text!r} has more parts than catalog.schema.table: write './{text}' for a folder"
    )


def absolute_address(text: str) -> str:
    """The address with its path made absolute, so that it is valid in any working directory."""
    address = parse_address(text)
    return f"{address.format}:{address.location}" if address.format else address.location


def is_unknown_word(text: str) -> bool:
    """Whether a text is a single word, without dots and slashes, that names no file or folder."""
    return re.fullmatch(r"\w+", text) is not None and not os.path.exists(text)


def table_name(address: str) -> str:
    """The table's name: the last part of its address."""
    table = parse_address(address)
    if not table.is_path:
        return table.location.rpartition(".")[2].strip("`")
    return table.location.rstrip("/").rpartition("/")[2].removesuffix(".parquet")


def absolute_file(text: str) -> str:
    """The path of a file, made absolute; a bare name lies in the working directory."""
    if not text.strip():
        raise SettingsError("a file's name is empty")
    return _absolute(text)


def absolute_if_path(text: str) -> str:
    """A model's folder made absolute, if it begins as a path does; else a name, as it is."""
    return absolute_file(text) if text.startswith((".", "~", "/")) else text


def absolute_if_checkpoint(text: str) -> str:
    """A checkpoint file made absolute; else the tag of a pretrained model, as it is."""
    is_file = "/" in text or text.endswith(_CHECKPOINT_SUFFIXES)
    return absolute_file(text) if is_file else text


def place_of_address(address: str) -> str:
    """One text for all spellings of a place: links, `file:`, `dbfs:`, s3 for s3a, capitals.

    A catalog name stays one: where its table lies is not looked up.
    """
    parsed = parse_address(address)
    if not parsed.is_path:
        return parsed.location.replace("`", "").lower().removeprefix("spark_catalog.")
    path = plain_path(parsed.location)
    return os.path.realpath(path) if path.startswith("/") else _S3.sub("s3a://", path.rstrip("/"))


def is_inside(file: str, folder: str) -> bool:
    """Whether a file lies in a folder, at any depth, or is it; links and `file:` are resolved."""
    outer, inner = (place_of_address(text) for text in (folder, file))
    return f"{inner}/".startswith(f"{outer.rstrip('/')}/")


def parse_parent(text: str) -> str:
    """Parse the parent of tables: a folder, made absolute, or `catalog.schema`."""
    parent = parse_address(text)
    if parent.format is not None or (text.count(".") > 1 and not parent.is_path):
        raise SettingsError(f"{text!r}: expected a folder or catalog.schema")
    return parent.location


def folder_of_files(address: str) -> str:
    """The folder of plain files at an address, a path or in a store; SettingsError for a table."""
    folder = parse_address(address)
    if not folder.is_path:
        raise SettingsError(f"{address}: files need a folder, not a name in the catalog")
    return plain_path(folder.location)


def local_folder(address: str) -> str:
    """A folder's path for programs that open it without Spark; SettingsError if it has none."""
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
