"""The one place that writes folders of plain files, for those who read no tables."""

import json
import math
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow.fs as pafs
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from spark_jobs.addresses import parse_address
from spark_jobs.errors import OutputTableError, SettingsError
from spark_jobs.folder_marks import (
    files_in,
    read_json,
    read_mark,
    remove_file,
    remove_mark,
    write_mark,
)
from udfs.json_files import FILE, ROWS, file_system, write_json_lists

_WRITTEN = StructType([StructField(FILE, StringType()), StructField(ROWS, LongType())])
_CHUNK = "_chunk"
_STAGING = ".writing-"
_JOURNAL = ".captionlake.json"  # there while files are moved into place: all that may be ours
_NO_NAME = re.compile(r"(?!)")


class WrittenFiles(NamedTuple):
    """How much was written."""

    files: int
    rows: int


@contextmanager
def replaced_folder(
    address: str, commit: Mapping[str, Any], *, ours: re.Pattern[str] = _NO_NAME
) -> Iterator[str]:
    """Give a hidden folder inside the output; what is written there replaces the output's files.

    The old files stay until all new ones are written. Then the mark is taken away, the new files
    are moved into place, old ones are removed, and a new mark with `commit` comes last: a folder
    with a mark is whole. Raises OutputTableError, with nothing changed, where the output holds
    files that are neither in its mark nor named as `ours` (paths below the folder).
    """
    folder = parse_address(address).location
    system, path = _open_folder(address, folder)
    try:
        system.create_dir(path, recursive=True)
        before = _own_files(folder, ours)
        staging = f"{_STAGING}{uuid.uuid4().hex}"
        system.create_dir(f"{path}/{staging}")
        try:
            yield f"{folder}/{staging}"
            _move_into_place(folder, staging, before, commit)
        finally:
            system.delete_dir(f"{path}/{staging}")
    except OSError as fault:
        raise OutputTableError(f"output {folder}: cannot be written ({fault})") from None


def write_json_files(
    frame: DataFrame,
    folder: str,
    *,
    name: str,
    items: Sequence[str],
    order: Sequence[str],
    n_files: int,
) -> WrittenFiles:
    """Write rows as `<name>_00000.json` ..., each a JSON list; an empty list if there are none.

    An item is the value of one column of `items`, or the list of several. Which file a row is in
    follows from the `order` columns alone, by which each file is sorted.
    """
    system, path = file_system(folder)
    system.create_dir(path, recursive=True)
    chunk = F.pmod(F.xxhash64(*order), F.lit(n_files)).cast("int")
    sorted_rows = (
        frame.withColumn(_CHUNK, chunk)
        .repartition(n_files, _CHUNK)
        .sortWithinPartitions(_CHUNK, *order)
        .select(_CHUNK, *items)
    )
    written = sorted_rows.mapInArrow(write_json_lists(folder, name), _WRITTEN).collect()
    if not written:
        write_file(f"{folder}/{name}_00000.json", b"[]")
    return WrittenFiles(max(1, len(written)), sum(row[ROWS] for row in written))


def files_for(rows: int, rows_per_file: int) -> int:
    """The files over which a hash spreads rows so that hardly one gets more than allowed.

    Sizes vary by chance, so the mean stays six standard deviations below; one file needs no room.
    """
    if rows <= rows_per_file:
        return 1
    mean = (math.sqrt(9 + rows_per_file) - 3) ** 2  # mean + 6 sqrt(mean) = rows_per_file
    return math.ceil(rows / max(mean, 1.0))


def write_file(location: str, content: bytes) -> None:
    """Write one small file."""
    try:
        system, path = file_system(location)
        system.create_dir(path.rpartition("/")[0], recursive=True)
        with system.open_output_stream(path) as stream:
            stream.write(content)
    except (OSError, ValueError) as fault:
        raise OutputTableError(f"output {location}: cannot be written ({fault})") from None


def write_file_in_parts(location: str, parts: Iterator[bytes]) -> None:
    """Write a file as its parts come, in its place once it is whole."""
    try:
        system, path = file_system(location)
        system.create_dir(path.rpartition("/")[0], recursive=True)
        with system.open_output_stream(f"{path}.writing") as stream:
            for part in parts:
                stream.write(part)
        system.move(f"{path}.writing", path)
    except (OSError, ValueError) as fault:
        raise OutputTableError(f"output {location}: cannot be written ({fault})") from None


def has_file(location: str) -> bool:
    """Whether a file stands there."""
    try:
        system, path = file_system(location)
        return bool(system.get_file_info(path).type == pafs.FileType.File)
    except (OSError, ValueError):
        return False


def _open_folder(address: str, folder: str) -> tuple[pafs.FileSystem, str]:
    if not parse_address(address).is_path:
        raise SettingsError(f"output {address}: files need a folder, not a name in the catalog")
    try:
        return file_system(folder)
    except ValueError as fault:
        raise SettingsError(f"output {fault}") from None


def _own_files(folder: str, ours: re.Pattern[str]) -> list[str]:
    """The files of an earlier run, whole or not; OutputTableError where there are others."""
    there = list(files_in(folder))
    marked = [read_mark(folder), read_json(folder, _JOURNAL)]
    owned = {name for mark in marked if mark is not None for name in mark.get("files", ())}
    foreign = [name for name in there if name not in owned and not ours.fullmatch(name)]
    if foreign:
        raise OutputTableError(
            f"output {folder} holds other files, such as {foreign[0]}; "
            "give another output or remove them"
        )
    return there


def _move_into_place(
    folder: str, staging: str, before: Sequence[str], commit: Mapping[str, Any]
) -> None:
    """Replace the files of `before` by the staged ones.

    Where this is cut off there is no mark, and the journal says whose files lie there.
    """
    system, path = file_system(folder)
    staged = list(files_in(f"{folder}/{staging}"))
    journal = {"files": sorted({*before, *staged})}
    write_file(f"{folder}/{_JOURNAL}", json.dumps(journal).encode())
    remove_mark(folder)
    for name in staged:
        system.create_dir(f"{path}/{name}".rpartition("/")[0], recursive=True)
        system.move(f"{path}/{staging}/{name}", f"{path}/{name}")
    for name in sorted({*before} - {*staged}):
        system.delete_file(f"{path}/{name}")
        _remove_empty_folders(system, path, name)
    write_mark(folder, commit)
    remove_file(folder, _JOURNAL)
    _remove_stale(system, path, staging)


def _remove_stale(system: pafs.FileSystem, path: str, staging: str) -> None:
    """Remove what killed runs have left."""
    for left in system.get_file_info(pafs.FileSelector(path)):
        if left.base_name.startswith(_STAGING) and left.base_name != staging:
            system.delete_dir(left.path)


def _remove_empty_folders(system: pafs.FileSystem, path: str, name: str) -> None:
    """Remove the folders of a removed file in which nothing is left."""
    below = name.rpartition("/")[0]
    while below and not system.get_file_info(pafs.FileSelector(f"{path}/{below}")):
        system.delete_dir(f"{path}/{below}")
        below = below.rpartition("/")[0]
