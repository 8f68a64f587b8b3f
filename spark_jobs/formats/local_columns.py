"""The columns of an input's first file, where the driver can look at it without Spark."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from spark_jobs.core.addresses import parse_address
from spark_jobs.ingest.presets import InputFormat
from udfs.csv_files import header_names

_FORMATS: dict[str, InputFormat] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
}
_HEAD_BYTES = 1 << 16
_MAX_JSON_BYTES = 1 << 20  # other records may have other keys, so JSON is read whole
_MAX_FILES = 1_000  # names looked at before the look is given up


def columns_of_first_file(
    address: str, format_: InputFormat | None
) -> tuple[str, list[str]] | None:
    """The path and columns of the first file at the address, as it would be read.

    None where that cannot be said without Spark: a table, a glob, files elsewhere, compressed, of
    several formats or of one other than `format_`, folders named name=value, long or faulty JSON.
    """
    table = parse_address(address)
    if table.format is not None or not table.is_path or not os.path.exists(table.location):
        return None
    files = list(_files(Path(table.location)))
    formats = {_FORMATS.get(file.suffix.lower()) for file in files}
    if len(formats) != 1 or len(files) >= _MAX_FILES:
        return None
    (found,) = formats
    if found is None or format_ not in (None, found):
        return None
    columns = _columns(min(files), found)
    return (str(min(files)), columns) if columns else None


def _files(location: Path) -> Iterator[Path]:
    """The files that Spark would read, at most _MAX_FILES; none of a table or of name=value."""
    if location.is_file():
        yield location
        return
    n_files = 0
    for folder, folders, names in os.walk(location):
        is_table = "_delta_log" in folders
        folders[:] = [name for name in folders if name[0] not in "_."]
        if is_table or any("=" in name for name in folders):
            yield Path(folder, "not to be looked at")
            return
        for name in names:
            if name[0] not in "_." and n_files < _MAX_FILES:
                n_files += 1
                yield Path(folder, name)


def _columns(file: Path, format_: InputFormat) -> list[str]:
    """The file's columns; empty where they cannot be said."""
    try:
        match format_:
            case "parquet":
                return list(pq.read_schema(file).names)
            case "csv" | "tsv":
                with file.open("rb") as stream:
                    return header_names(stream.read(_HEAD_BYTES), "\t" if format_ == "tsv" else ",")
            case _:
                return _keys(file)
    except (OSError, ValueError, pa.ArrowException):
        return []  # Spark's reader names the fault


def _keys(file: Path) -> list[str]:
    """The keys of all records of a short JSON file; empty if one is no object."""
    if file.stat().st_size > _MAX_JSON_BYTES:
        return []
    text = file.read_text(encoding="utf-8")
    if file.suffix.lower() == ".json" and text.lstrip().startswith("["):
        records = json.loads(text)
    else:
        records = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not all(isinstance(record, dict) for record in records):
        return []
    return list(dict.fromkeys(key for record in records for key in record))
