"""DataComp's lists of uids: one npy file of sorted pairs of 64-bit halves."""

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import UID
from spark_jobs.storage.outputs.files import write_output_file
from udfs.arrow import Batches

HASHED = "uid_hashed"
_HALVES = np.dtype([("f0", "<u8"), ("f1", "<u8")])
_PACKED = StructType([StructField("packed", BinaryType())])


def write_uids(rows: DataFrame, file: str) -> None:
    """Write the rows' uids, each once, as an array of dtype u8,u8: high and low half.

    Sorted, as DataComp's resharder wants them; sorted by Spark and written as they come, so that
    any number fits. Uids that are no 32 hex digits stand as their MD5: see `hashed_uid`.
    """
    digits = rows.select(hashed_uid().alias(HASHED)).distinct()
    packed = map_in_arrow(digits.orderBy(HASHED), _packed, _PACKED)
    parts = packed.toLocalIterator(prefetchPartitions=True)
    write_output_file(file, _npy(digits.count(), (bytes(row[0]) for row in parts)))


def uid_map(rows: DataFrame) -> DataFrame | None:
    """Columns uid and uid_hashed where some uid stands as its MD5, else None."""
    if rows.where(hashed_uid() != F.lower(UID)).first() is None:
        return None
    return rows.select(UID, hashed_uid().alias(HASHED)).distinct()


def hashed_uid() -> Column:
    """The uid as 32 hex digits: itself in lower case, else its MD5."""
    return F.when(F.col(UID).rlike("^[0-9a-fA-F]{32}$"), F.lower(UID)).otherwise(F.md5(UID))


def _packed(batches: Batches) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        digits = "".join(batch.column(0).to_pylist())
        halves = np.frombuffer(bytes.fromhex(digits), ">u8").astype("<u8")
        yield pa.RecordBatch.from_arrays([pa.array([halves.tobytes()])], ["packed"])


def _npy(n: int, parts: Iterator[bytes]) -> Iterator[bytes]:
    """The file's header, as numpy writes it for no rows, then the rows."""
    empty = io.BytesIO()
    np.save(empty, np.empty(0, _HALVES), allow_pickle=False)
    header = empty.getvalue()
    room = header.rindex(b"\n") + 1
    told = header.replace(b"(0,)", f"({n},)".encode()).rstrip(b" \n")
    yield told.ljust(room - 1) + b"\n"
    yield from parts
