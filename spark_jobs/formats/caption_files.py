"""Read caption files of any format into rows, with the columns that the files have.

`spark_jobs.ingest` maps these columns to captionlake's own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import get_args

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow_unchecked
from spark_jobs.core.count_words import few_of
from spark_jobs.core.errors import InputDataError, SettingsError
from spark_jobs.formats.folder_columns import file_ids, shadowed_folders, with_folder_columns
from spark_jobs.formats.json_files import TextColumns, read_json_files
from spark_jobs.formats.parquet_files import read_parquet_by_spark, read_parquet_files
from spark_jobs.formats.text_files import (
    read_csv_files,
    read_plain_text,
    read_tsv_files,
    text_lines,
)
from spark_jobs.ingest.presets import InputFormat, Preset
from spark_jobs.ingest.source import Source
from spark_jobs.storage.batches import batches_of, rows_that_fit
from spark_jobs.storage.faults.spark import is_out_of_memory
from spark_jobs.storage.file_lists import COMPRESSED, ListedFile
from spark_jobs.storage.hidden_files import hidden_files
from spark_jobs.storage.session import reads_local_paths
from udfs import file_heads as worker
from udfs.file_systems import has_file_system
from udfs.json_items import ItemForm
from udfs.json_rows import begins_with_list, begins_with_object, is_json_lines
from udfs.long_lines import longest_line
from udfs.opened_files import DamagedFileError, shown_path

_FORMAT_BY_SUFFIX: dict[str, InputFormat] = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "lines",
}
# Files found next to captions that hold none: counts of exports, img2dataset's shards and reports.
_OTHER_SUFFIXES = {
    *(".npy", ".npz", ".tar", ".index", ".html", ".md", ".svg", ".png", ".jpg", ".jpeg", ".webp"),
    *(".yml", ".yaml", ".log", ".crc"),
}
# Written by Hugging Face's datasets library.
_REPORT_FILES = {"dataset_infos.json", "dataset_info.json", "state.json"}
_HEAD_COLUMNS = StructType(
    [
        StructField(worker.PATH, StringType()),
        StructField(worker.HEAD, BinaryType()),
        StructField(worker.FAULT, StringType()),
    ]
)
_FAULT_COLUMNS = StructType([_HEAD_COLUMNS[worker.PATH], _HEAD_COLUMNS[worker.FAULT]])
_MAX_NAMES = 3
_FEW_FILES = 16  # that the driver looks at itself: a Spark job takes longer
_MAX_LINE_BYTES = 1 << 20


def select_caption_files(
    files: Sequence[ListedFile], format_setting: InputFormat | None, preset: Preset | None
) -> tuple[InputFormat, list[ListedFile], list[str]]:
    """Select the files that hold captions: (their format, these files, notes on skipped files).

    The format is `format_setting`, else the preset's, else the one that all file names end in.
    Raises SettingsError if the names end in several formats or in an unknown one.
    """
    file_with_colon = next((file for file in files if ":" in file.name), None)
    if file_with_colon is not None:
        raise InputDataError(
            f"{file_with_colon.path}: Spark reads no file with a colon in its name; rename it"
        )
    other_files = [file for file in files if _holds_no_captions(file)]
    files = [file for file in files if not _holds_no_captions(file)] or other_files
    notes = []
    if len(other_files) and files is not other_files:
        notes.append(
            f"left unread, since they hold no captions: {_few_of(f.name for f in other_files)}"
        )
    if format_setting is not None or preset is not None:
        format_ = format_setting or preset.format  # type: ignore[union-attr]
        files_of_format = [file for file in files if _may_have_format(file, format_)]
        skipped_names = [file.name for file in files if file not in files_of_format]
        if files_of_format and skipped_names:
            notes.append(
                f"left unread, since they are not of the format {format_}: {_few_of(skipped_names)}"
            )
        return format_, files_of_format or files, notes
    suffixes = {_suffix(file.name) for file in files}
    formats = {format_of_name(file.name) for file in files}
    common_format = formats.pop() if len(formats) == 1 else None
    if common_format is None:
        raise SettingsError(
            f"files end in {', '.join(sorted(suffixes))}; "
            f"give --format {', '.join(get_args(InputFormat))}, or a --preset"
        )
    return common_format, files, notes


def hidden_caption_files(location: str) -> str:
    """The hidden files at a location that are called as caption files are, a few of them by name.

    Empty if there are none. Spark passes over them, so their rows would be missing.
    """
    hidden = [
        path
        for path in hidden_files(location)
        if _suffix(path) in _FORMAT_BY_SUFFIX and not path.endswith("_stats.json")
    ]
    return _few_of(path.rpartition("/")[2] for path in hidden)


def read_caption_files(
    spark: SparkSession,
    files: Sequence[ListedFile],
    location: str,
    format_: InputFormat,
    preset: Preset | None,
    text_columns_of: TextColumns,
) -> Source:
    """Read the rows of all files, in the form that the preset describes.

    Each file is inspected before it is read. Folders named name=value below the location become
    columns. Compressed files are unpacked as their suffix says. Raises InputDataError if a file is
    not what its name says, or is truncated.
    """
    empty_files = [file for file in files if not file.size]
    source = _read_rows(spark, files, format_, preset, text_columns_of)
    parts = [with_folder_columns(spark, part, files, location) for part in source.parts]
    notes = [*source.notes, *shadowed_folders(source.parts, files, location)]
    if empty_files:
        notes.append(
            f"empty files, which hold no row: {_few_of(file.name for file in empty_files)}"
        )
    return replace(source, parts=parts, notes=notes)


def _read_rows(
    spark: SparkSession,
    files: Sequence[ListedFile],
    format_: InputFormat,
    preset: Preset | None,
    text_columns_of: TextColumns,
) -> Source:
    workers_can_open = has_file_system(files[0].path)
    if format_ == "parquet":
        return (read_parquet_files if workers_can_open else read_parquet_by_spark)(spark, files)
    nonempty_files = [file for file in files if file.size]
    heads = (_read_heads if workers_can_open else _first_line_as_heads)(spark, nonempty_files)
    match format_:
        case "csv" if not workers_can_open:
            raise InputDataError(f"{files[0].path}: workers cannot open CSV files there; give TSV")
        case "csv":
            return read_csv_files(spark, nonempty_files, heads, preset.separator if preset else ",")
        case "tsv":
            return read_tsv_files(spark, nonempty_files, heads, preset.header if preset else ())
        case "lines":
            return read_plain_text(spark, files, heads)
    items: ItemForm = preset.items if preset else "plain"
    line_files: list[ListedFile] = []
    list_files: list[ListedFile] = []
    for file in nonempty_files:
        is_list = _is_list(heads[file.path], format_, items)
        (list_files if is_list else line_files).append(file)
    max_rows = [_max_lines_per_batch(file, heads[file.path]) for file in line_files]
    with batches_of(spark, min(max_rows, default=1)):  # a list that Spark reads is a batch
        return read_json_files(spark, line_files, list_files, items, text_columns_of)


def _max_lines_per_batch(file: ListedFile, head: bytes) -> int:
    """Lines that a batch may have, estimated from the file's head.

    A line takes as many bytes as the head; if no line ends in the head, as many as the file, up to
    1 MiB.
    """
    line_bytes = len(head) if b"\n" in head else min(max(file.size, 1), _MAX_LINE_BYTES)
    return rows_that_fit(line_bytes, is_compressed=False)


def _is_list(head: bytes, format_: InputFormat, items: ItemForm) -> bool:
    """Whether a JSON file is one list; the format decides unless the content contradicts it."""
    if format_ == "json":
        return begins_with_list(head) or not is_json_lines(head, or_one=begins_with_object(head))
    # With other items than "plain", a single line may be a record that is itself a list.
    return begins_with_list(head) and not is_json_lines(head, or_one=items != "plain")


def reading_error(
    spark: SparkSession, files: Sequence[ListedFile], fault: BaseException
) -> InputDataError | None:
    """The error that names the file on which Spark has failed; None if none is to blame.

    Called after the failure: Spark names neither a truncated compressed file nor a line that took
    more memory than there is.
    """
    is_memory = is_out_of_memory(fault)  # then there may be no Spark to ask
    return _long_line_error(files) if is_memory else _damaged_file_error(spark, files)


def _long_line_error(files: Sequence[ListedFile]) -> InputDataError | None:
    """The error for the longest line of all files, if one is long."""
    try:
        longest = longest_line(file.path for file in files if has_file_system(file.path))
    except DamagedFileError as fault:
        return InputDataError(str(fault))
    if longest is None:
        return None
    return InputDataError(
        f"{shown_path(longest.path)}: line {longest.number} has {longest.n_bytes >> 20:,} MiB, and "
        "Java's memory did not hold it: write one record a line, or give Java ten times as much "
        "(SPARK_DRIVER_MEMORY in local mode, --executor-memory of spark-submit)"
    )


def _damaged_file_error(spark: SparkSession, files: Sequence[ListedFile]) -> InputDataError | None:
    """The error for the first compressed file that cannot be read to its end; None if all can."""
    compressed_files = [file for file in files if file.is_compressed]
    if not compressed_files or not has_file_system(compressed_files[0].path):
        return None
    paths = file_ids(spark, compressed_files).select("path")
    rows = map_in_arrow_unchecked(paths, worker.read_to_the_end, _FAULT_COLUMNS).collect()
    faults = sorted(row[worker.FAULT] for row in rows if row[worker.FAULT])
    return InputDataError(faults[0]) if faults else None


def _read_heads(spark: SparkSession, files: Sequence[ListedFile]) -> dict[str, bytes]:
    """First bytes of each file by path; InputDataError if a file is not text, whatever its name."""
    if not files:
        return {}
    if reads_local_paths() and len(files) <= _FEW_FILES:
        heads = {file.path: worker.look_at_head(file.path) for file in files}
    else:
        paths = file_ids(spark, files).select("path")
        rows = map_in_arrow_unchecked(paths, worker.look_at_heads, _HEAD_COLUMNS).collect()
        heads = {row[worker.PATH]: (bytes(row[worker.HEAD]), row[worker.FAULT]) for row in rows}
    faults = sorted(fault for _, fault in heads.values() if fault)
    if faults:
        raise InputDataError(faults[0])
    return {path: head for path, (head, _) in heads.items()}


def _first_line_as_heads(spark: SparkSession, files: Sequence[ListedFile]) -> dict[str, bytes]:
    """The first line that Spark reads, as the head of every file: workers cannot open these."""
    first_row = text_lines(spark, files).select(F.col("value").cast("binary")).first()
    return dict.fromkeys((file.path for file in files), bytes(first_row[0]) if first_row else b"")


def _may_have_format(file: ListedFile, format_: InputFormat) -> bool:
    """Whether the file's suffix is not one of another format.

    json and jsonl are not distinguished by suffix, but later by content.
    """
    own_format = format_of_name(file.name) or format_
    return own_format == format_ or {own_format, format_} == {"json", "jsonl"}


def _holds_no_captions(file: ListedFile) -> bool:
    """Whether the file's name is that of a report or has a suffix of files without captions."""
    is_report = file.name.endswith("_stats.json") or file.name in _REPORT_FILES
    return is_report or _suffix(file.name) in _OTHER_SUFFIXES


def format_of_name(name: str) -> InputFormat | None:
    """The format that a file's name ends in, compressed or not; None if it names none."""
    return _FORMAT_BY_SUFFIX.get(_suffix(name))


def _suffix(name: str) -> str:
    for compressed in COMPRESSED:
        name = name.removesuffix(compressed)
    return PurePosixPath(name).suffix.lower()


def _few_of(names: Iterable[str]) -> str:
    return few_of(sorted(names), _MAX_NAMES)
