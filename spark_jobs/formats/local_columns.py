"""The columns of an input's first file, where the driver can look at it without Spark."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import CurationError
from spark_jobs.formats.caption_files import format_of_name, select_caption_files
from spark_jobs.formats.text_files import first_line, separator_of
from spark_jobs.ingest.presets import InputFormat
from spark_jobs.storage.file_lists import ListedFile
from spark_jobs.storage.hidden_files import is_hidden
from udfs.csv_files import header_names
from udfs.file_heads import look_at_head

_MAX_JSON_BYTES = 1 << 20  # other records may have other keys, so JSON is read whole
_MAX_NAMES = 1_000  # of files and folders, before the look is given up


def columns_of_first_file(
    address: str, format_: InputFormat | None
) -> tuple[str, list[str]] | None:
    """The path and columns of the first file at the address, of those that would be read.

    None where that cannot be said without Spark: a table, a glob, files elsewhere, of several
    formats or of one other than `format_`, folders named name=value, long or faulty JSON.
    """
    table = parse_address(address)
    if table.format is not None or not table.is_path or not os.path.exists(table.location):
        return None
    try:
        file_format, files, _ = select_caption_files(_files(table.location), format_, None)
    except CurationError:  # named when Spark lists the same files
        return None
    first = min((file.path for file in files), default="")
    if format_of_name(first) != file_format:
        return None
    columns = _columns(Path(first), file_format)
    return (first, columns) if columns else None


def _files(location: str) -> list[ListedFile]:
    """The files that Spark would list; none of a table, of folders name=value, or of too many."""
    paths = [location]
    if os.path.isdir(location):
        paths, n_names = [], 0
        for folder, folders, names in os.walk(location):
            n_names += len(folders) + len(names)
            if n_names > _MAX_NAMES or "_delta_log" in folders:
                return []
            folders[:] = [name for name in folders if not is_hidden(name)]
            if any("=" in name for name in folders):
                return []
            paths += [os.path.join(folder, name) for name in names if not is_hidden(name)]
    if not all(map(os.path.isfile, paths)):  # a pipe, which a read would wait for
        return []
    return [ListedFile(path, "", os.path.getsize(path), "") for path in paths]


def _columns(file: Path, format_: InputFormat) -> list[str]:
    """The file's columns; empty where they cannot be said."""
    try:
        match format_:
            case "parquet":
                return list(pq.read_schema(file).names)
            case "csv" | "tsv":
                return _header(file, format_)
            case "json" | "jsonl":
                return _keys(file)
    except (OSError, ValueError, RecursionError, pa.ArrowException):
        pass  # Spark's reader names the fault
    return []


def _header(file: Path, format_: InputFormat) -> list[str]:
    """The names in the first line, as `text_files` reads it; empty if the file is damaged."""
    head, fault = look_at_head(str(file))
    if fault is not None or not head:
        return []
    line = first_line(head)
    return line.split("\t") if format_ == "tsv" else header_names(head, separator_of(line, ","))


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
