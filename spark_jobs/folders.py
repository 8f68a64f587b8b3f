"""The one place that writes folders of plain files, for those who read no tables."""

import math
import re
from collections.abc import Iterator, Sequence

import pyarrow.fs as pafs
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from spark_jobs.addresses import parse_address
from spark_jobs.errors import OutputTableError, SettingsError
from udfs.json_files import FILE, ROWS, file_system, write_json_lists

_WRITTEN = StructType([StructField(FILE, StringType()), StructField(ROWS, LongType())])
_DONE = "_SUCCESS"  # as Spark has it: there once the folder is whole
_CHUNK = "_chunk"


def write_json_folder(
    frame: DataFrame,
    address: str,
    *,
    name: str,
    items: Sequence[str],
    order: Sequence[str],
    n_files: int,
    others: dict[str, bytes],
) -> int:
    """Write rows as `<name>_00000.json` ..., each a JSON list, and give their number.

    An item is the value of one column of `items`, or the list of several. Which file a row is in
    follows from the `order` columns alone, by which each file is sorted. `others`: further files,
    name -> content. What an earlier export left is replaced; a folder that holds anything else is
    refused with OutputTableError.
    """
    folder = parse_address(address).location
    system, path = _open_folder(address, folder)
    try:
        system.create_dir(path, recursive=True)
        there = system.get_file_info(pafs.FileSelector(path))
    except OSError as fault:
        raise OutputTableError(f"output {folder}: cannot be written ({fault})") from None
    _clear(system, there, re.compile(rf"{re.escape(name)}_\d+\.json|{_DONE}|{'|'.join(others)}"))
    chunk = F.pmod(F.xxhash64(*order), F.lit(n_files)).cast("int")
    sorted_rows = (
        frame.withColumn(_CHUNK, chunk)
        .repartition(n_files, _CHUNK)
        .sortWithinPartitions(_CHUNK, *order)
        .select(_CHUNK, *items)
    )
    written = sorted_rows.mapInArrow(write_json_lists(folder, name), _WRITTEN).collect()
    empty = {} if written else {f"{name}_00000.json": b"[]"}
    for file, content in {**others, **empty, _DONE: b""}.items():
        write_file(f"{folder}/{file}", content)
    return sum(row[ROWS] for row in written)


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


def _clear(system: pafs.FileSystem, there: list[pafs.FileInfo], ours: re.Pattern[str]) -> None:
    foreign = sorted(
        file.base_name
        for file in there
        if not ours.fullmatch(file.base_name) and not file.base_name.startswith(".")
    )
    if foreign:
        raise OutputTableError(
            f"output {there[0].path.rpartition('/')[0]} holds other files, such as {foreign[0]}; "
            "give another output or remove them"
        )
    for file in sorted(there, key=lambda file: file.base_name != _DONE):  # that one first
        system.delete_file(file.path)
