"""Write rows as folders of JSON files, and single small files."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.errors import OutputTableError
from udfs.file_systems import file_system
from udfs.json_files import FILE, ROWS, write_json_lists

_WRITTEN_FILES = StructType([StructField(FILE, StringType()), StructField(ROWS, LongType())])
_CHUNK = "_chunk"


class WrittenFiles(NamedTuple):
    """Numbers of files and rows written."""

    files: int
    rows: int


def write_json_files(
    frame: DataFrame,
    folder: str,
    *,
    name: str,
    items: Sequence[str],
    order: Sequence[str],
    n_files: int,
) -> WrittenFiles:
    """Write rows as JSON lists `<name>_00000.json` ...; without rows, one file with an empty list.

    `items`: the columns written; an item is the value of a single column or the list of several.
    `order`: columns whose hash decides the file of a row, and by which each file is sorted.
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
    written = map_in_arrow(
        sorted_rows, write_json_lists(folder, f"{name}_{{:05}}.json"), _WRITTEN_FILES
    ).collect()
    if not written:
        write_file(f"{folder}/{name}_00000.json", b"[]")
    return WrittenFiles(max(1, len(written)), sum(row[ROWS] for row in written))


def n_files_for(rows: int, rows_per_file: int) -> int:
    """The number of files such that rows spread by a hash hardly ever exceed `rows_per_file`.

    Sizes vary by chance, so the mean is six standard deviations below the limit. If all rows fit
    into one file, one is enough.
    """
    if rows <= rows_per_file:
        return 1
    mean = (math.sqrt(9 + rows_per_file) - 3) ** 2  # mean + 6 sqrt(mean) = rows_per_file
    return math.ceil(rows / max(mean, 1.0))


def refuse_missing_files(folder: str, sizes: Mapping[str, int]) -> None:
    """Raise OutputTableError unless a folder has all files that tasks wrote, with these sizes.

    It has not where workers write to disks of their own, or a task that was given up wrote a file
    once more.
    """
    system, path = file_system(folder)
    infos = system.get_file_info([f"{path}/{name}" for name in sizes])
    for (name, n_bytes), info in zip(sizes.items(), infos, strict=True):
        if info.size != n_bytes:
            seen = "is not there" if info.size is None else f"has {info.size:,} bytes"
            raise OutputTableError(
                f"output {folder}: {name}, written by a task with {n_bytes:,} bytes, {seen}; give "
                "a folder that the driver and all workers share, and run again"
            )


def write_file(location: str, content: bytes) -> None:
    """Write one small file."""
    try:
        system, path = file_system(location)
        system.create_dir(path.rpartition("/")[0], recursive=True)
        with system.open_output_stream(path) as stream:
            stream.write(content)
    except (OSError, ValueError) as fault:
        raise OutputTableError(f"output {location}: cannot be written ({fault})") from None
