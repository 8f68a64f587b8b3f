"""Read row groups of a table's Parquet files in the worker, so that Spark brings no rows to it."""

import mmap
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from udfs.arrow import Batches, BatchFunction, filled
from udfs.opened_files import DamagedFileError
from udfs.page_checksums import has_sound_pages

PATH, GROUP = "path", "group"


def read_row_groups(schema: pa.Schema, rows_at_once: int) -> BatchFunction:
    """For mapInArrow: from path and group to the rows of these row groups.

    `schema`: of the table; columns that a file lacks are null. Raises DamagedFileError, with the
    file, if a page is not what its checksum says.
    """

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for path, group in zip(*(column.to_pylist() for column in batch), strict=True):
                yield from _rows(path, group, schema, rows_at_once)

    return read


def _rows(path: str, group: int, schema: pa.Schema, rows_at_once: int) -> Iterator[pa.RecordBatch]:
    try:
        with pa.memory_map(path) as opened:
            file = pq.ParquetFile(opened)
            names = [name for name in schema.names if name in file.schema_arrow.names]
            _check_pages(path, file.metadata, group, names)
            rows = file.iter_batches(
                rows_at_once, row_groups=[group], columns=names, use_threads=False
            )
            for batch in rows:
                yield filled(batch, schema)
    except DamagedFileError:
        raise
    except (pa.ArrowException, OSError, ValueError, IndexError, RecursionError) as fault:
        reason = " ".join(str(fault).split())[:120]
        raise DamagedFileError(f"{path}: cannot be read as Parquet ({reason})") from None


def _check_pages(path: str, footer: pq.FileMetaData, group: int, names: list[str]) -> None:
    """Raise DamagedFileError if a page of the columns differs from its checksum, if it has one."""
    with open(path, "rb") as file:
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    row_group = footer.row_group(group)
    for k in range(row_group.num_columns):
        column = row_group.column(k)
        if column.path_in_schema.partition(".")[0] not in names:
            continue
        start = column.dictionary_page_offset or column.data_page_offset
        if not has_sound_pages(content, start, start + column.total_compressed_size):
            raise DamagedFileError(f"{path}: a page differs from its checksum")
