"""Files of captions in any form, read into rows; what they mean is the ingest's to say."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import get_args

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_as_stored
from spark_jobs.core.errors import InputDataError, SettingsError
from spark_jobs.formats.folder_columns import file_ids, shadowed_folders, with_folder_columns
from spark_jobs.formats.json_files import TextColumns, read_json_files
from spark_jobs.formats.parquet_files import read_parquet_files, read_unseen
from spark_jobs.formats.text_files import (
    read_csv_files,
    read_plain_text,
    read_tsv_files,
    text_lines,
)
from spark_jobs.ingest.presets import InputFormat, Preset
from spark_jobs.ingest.source import Source
from spark_jobs.storage.batches import batches_of, rows_that_fit
from spark_jobs.storage.file_lists import COMPRESSED, ListedFile
from udfs import file_heads as worker
from udfs.json_files import file_system
from udfs.json_items import ItemForm
from udfs.json_rows import begins_with_list, begins_with_object, is_json_lines

_FORMAT_OF: dict[str, InputFormat] = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "lines",
}
# What lies beside captions and holds none: exports' counts, img2dataset's shards and reports.
_NO_CAPTIONS = {
    *(".npy", ".npz", ".tar", ".index", ".html", ".md", ".svg", ".png", ".jpg", ".jpeg", ".webp"),
    *(".yml", ".yaml", ".log", ".crc"),
}
_REPORTS = {"dataset_infos.json", "dataset_info.json", "state.json"}  # of Hugging Face's data sets
_HEADS = StructType(
    [
        StructField(worker.PATH, StringType()),
        StructField(worker.HEAD, BinaryType()),
        StructField(worker.FAULT, StringType()),
    ]
)
_FAULTS = StructType([_HEADS[worker.PATH], _HEADS[worker.FAULT]])
_SHOWN = 3
_LONG_LINE = 1 << 20


def caption_files(
    files: Sequence[ListedFile], given: InputFormat | None, preset: Preset | None
) -> tuple[InputFormat, list[ListedFile], list[str]]:
    """The format of the files that hold captions, these, and what to say of the others.

    The format is the one that was said, the preset's, or the one that all names tell. Raises
    SettingsError where these tell several or none.
    """
    colon = next((file for file in files if ":" in file.name), None)
    if colon is not None:
        raise InputDataError(
            f"{colon.path}: Spark reads no file with a colon in its name; rename it"
        )
    beside = [file for file in files if _holds_no_captions(file)]
    files = [file for file in files if not _holds_no_captions(file)] or beside
    notes = []
    if len(beside) and files is not beside:
        notes.append(f"left unread, since they hold no captions: {_some(f.name for f in beside)}")
    if given is not None or preset is not None:
        format_ = given or preset.format  # type: ignore[union-attr]
        fitting = [file for file in files if _fits(file, format_)]
        others = [file.name for file in files if file not in fitting]
        if fitting and others:
            notes.append(
                f"left unread, since they are not of the format {format_}: {_some(others)}"
            )
        return format_, fitting or files, notes
    suffixes = {_suffix(file.name) for file in files}
    formats = {_FORMAT_OF.get(suffix) for suffix in suffixes}
    only = formats.pop() if len(formats) == 1 else None
    if only is None:
        raise SettingsError(
            f"files end in {', '.join(sorted(suffixes))}; "
            f"give --format {', '.join(get_args(InputFormat))}, or a --preset"
        )
    return only, files, notes


def read_caption_files(
    spark: SparkSession,
    files: Sequence[ListedFile],
    location: str,
    format_: InputFormat,
    preset: Preset | None,
    texts_of: TextColumns,
) -> Source:
    """The rows of all files in the form that the preset tells, each looked at before it is read.

    Folders called name=value below the location are columns. Files that are compressed as their
    names say are unpacked; one that is not what it is called, or is cut off, is an InputDataError.
    """
    empty = [file for file in files if not file.size]
    source = _read(spark, files, format_, preset, texts_of)
    parts = [with_folder_columns(spark, part, files, location) for part in source.parts]
    notes = [*source.notes, *shadowed_folders(source.parts, files, location)]
    if empty:
        notes.append(f"empty files, which hold no row: {_some(file.name for file in empty)}")
    return replace(source, parts=parts, notes=notes)


def _read(
    spark: SparkSession,
    files: Sequence[ListedFile],
    format_: InputFormat,
    preset: Preset | None,
    texts_of: TextColumns,
) -> Source:
    can_look = _can_look(files[0])
    if format_ == "parquet":
        return (read_parquet_files if can_look else read_unseen)(spark, files)
    filled = [file for file in files if file.size]
    heads = (_heads if can_look else _same_heads)(spark, filled)
    match format_:
        case "csv" if not can_look:
            raise InputDataError(f"{files[0].path}: workers cannot open CSV files there; give TSV")
        case "csv":
            return read_csv_files(spark, filled, heads, preset.separator if preset else ",")
        case "tsv":
            return read_tsv_files(spark, filled, heads, preset.header if preset else ())
        case "lines":
            return read_plain_text(spark, files, heads)
    items: ItemForm = preset.items if preset else "plain"
    is_list = [_is_list(heads[file.path], format_, items) for file in filled]
    lists = [file for file, one in zip(filled, is_list, strict=True) if one]
    lines = [file for file, one in zip(filled, is_list, strict=True) if not one]
    at_once = [_lines_at_once(file, heads[file.path]) for file in lines]
    with batches_of(spark, min(at_once, default=1)):  # of lists a file at once
        return read_json_files(spark, lines, lists, items, texts_of)


def _lines_at_once(file: ListedFile, head: bytes) -> int:
    """How many lines like a file's first a batch may have; one without an end in sight is long."""
    line_bytes = len(head) if b"\n" in head else min(max(file.size, 1), _LONG_LINE)
    return rows_that_fit(line_bytes, is_compressed=False)


def _is_list(head: bytes, format_: InputFormat, items: ItemForm) -> bool:
    """Whether a file of JSON is one list; what its name says holds unless its content cannot be."""
    if format_ == "json":
        return begins_with_list(head) or not is_json_lines(head, or_one=begins_with_object(head))
    # A line alone may be a record that is a list itself.
    return begins_with_list(head) and not is_json_lines(head, or_one=items != "plain")


def damaged_file(spark: SparkSession, files: Sequence[ListedFile]) -> InputDataError | None:
    """The fault of the first file that cannot be read to its end, if there is one.

    To be asked after Spark has failed, since it does not name a compressed file that is cut off.
    """
    compressed = [file for file in files if file.is_compressed]
    if not compressed or not _can_look(compressed[0]):
        return None
    ids = file_ids(spark, compressed).select("path")
    rows = map_as_stored(ids, worker.read_to_the_end, _FAULTS).collect()
    faults = sorted(row[worker.FAULT] for row in rows if row[worker.FAULT])
    return InputDataError(faults[0]) if faults else None


def _heads(spark: SparkSession, files: Sequence[ListedFile]) -> dict[str, bytes]:
    """Path -> first bytes; InputDataError where a file is no text, whatever it is called."""
    if not files:
        return {}
    paths = file_ids(spark, files).select("path")
    rows = map_as_stored(paths, worker.look_at_heads, _HEADS).collect()
    faults = sorted(row[worker.FAULT] for row in rows if row[worker.FAULT])
    if faults:
        raise InputDataError(faults[0])
    return {row[worker.PATH]: bytes(row[worker.HEAD]) for row in rows}


def _same_heads(spark: SparkSession, files: Sequence[ListedFile]) -> dict[str, bytes]:
    """Of files that workers cannot open the first line that Spark reads, taken for all of them."""
    first = text_lines(spark, files).select(F.col("value").cast("binary")).first()
    return dict.fromkeys((file.path for file in files), bytes(first[0]) if first else b"")


def _can_look(file: ListedFile) -> bool:
    """Whether workers can open the files of this store themselves."""
    try:
        file_system(file.path)
    except (ValueError, OSError):  # a store unknown to pyarrow, or one whose library is not there
        return False
    return True


def _fits(file: ListedFile, format_: InputFormat) -> bool:
    """Whether a file's name does not tell another format; JSON is told apart by its content."""
    of_name = _FORMAT_OF.get(_suffix(file.name), format_)
    return of_name == format_ or {of_name, format_} == {"json", "jsonl"}


def _holds_no_captions(file: ListedFile) -> bool:
    is_report = file.name.endswith("_stats.json") or file.name in _REPORTS
    return is_report or _suffix(file.name) in _NO_CAPTIONS


def _suffix(name: str) -> str:
    for compressed in COMPRESSED:
        name = name.removesuffix(compressed)
    return PurePosixPath(name).suffix.lower()


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
