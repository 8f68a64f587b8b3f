"""Write DataComp's uid lists: one npy file of sorted 128-bit uids, each as two 64-bit halves.

Gadre et al. 2023.
"""

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import UID
from spark_jobs.storage.outputs.files import write_output_file
from udfs.arrow import Batches

PAPERS = ("DataComp, published files: the sorted uids of a subset",)

HASHED = "uid_hashed"
_HALVES = np.dtype([("f0", "<u8"), ("f1", "<u8")])
_PACKED_COLUMNS = StructType([StructField("packed", BinaryType())])


def write_uids(rows: DataFrame, file: str) -> None:
    """Write the rows' distinct uids as an array of dtype u8,u8: high and low half.

    Sorted, as DataComp's resharder requires. Spark sorts and the driver writes part by part, so
    their number is not limited by memory. Uids other than 32 hex digits are replaced by their MD5,
    see `hashed_uid`.
    """
    _write(rows.select(hashed_uid().alias(HASHED)).distinct(), file)


def write_uids_of_rows(rows: DataFrame, file: str) -> None:
    """Write the uids as `write_uids` does, but as often as a row has them, as DataComp's filters.

    All are of 32 hex digits, see `refuse_other_uids`.
    """
    _write(rows.select(F.lower(UID).alias(HASHED)), file)


def refuse_other_uids(rows: DataFrame, kept: DataFrame) -> None:
    """Raise InputDataError for a kept uid other than 32 hex digits: no pool of DataComp has it.

    kept: some of the rows, looked at only where all rows have such a uid at all.
    """
    is_other = F.coalesce(~_is_hex(), F.lit(True))
    other = rows.where(is_other).select(UID).first()
    other = other and kept.where(is_other).select(UID).first()
    if other is not None:
        raise InputDataError(
            f"uid {other[UID]!r} is not 32 hex digits, as those of DataComp's pools: leave out "
            "`uids`, or give the rows their uids of DataComp"
        )


def _write(hex_uids: DataFrame, file: str) -> None:
    packed = map_in_arrow(hex_uids.orderBy(HASHED), _pack_uids, _PACKED_COLUMNS)
    parts = packed.toLocalIterator(prefetchPartitions=True)
    write_output_file(file, _npy_file(count_rows(hex_uids), (bytes(row[0]) for row in parts)))


def uid_map(rows: DataFrame) -> DataFrame | None:
    """Columns uid and uid_hashed; None if no uid is replaced by its MD5."""
    if rows.where(hashed_uid() != F.lower(UID)).first() is None:
        return None
    return rows.select(UID, hashed_uid().alias(HASHED)).distinct()


def hashed_uid() -> Column:
    """The uid as 32 hex digits: in lower case if it has that form, else its MD5."""
    return F.when(_is_hex(), F.lower(UID)).otherwise(F.md5(UID))


def _is_hex() -> Column:
    return F.col(UID).rlike(r"\A[0-9a-fA-F]{32}\z")


def _pack_uids(batches: Batches) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        hex_digits = "".join(batch.column(0).to_pylist())
        halves = np.frombuffer(bytes.fromhex(hex_digits), ">u8").astype("<u8")
        yield pa.RecordBatch.from_arrays([pa.array([halves.tobytes()])], ["packed"])


def _npy_file(n_rows: int, parts: Iterator[bytes]) -> Iterator[bytes]:
    """The file's bytes: numpy's header of an empty array with the shape replaced, then the rows."""
    empty_file = io.BytesIO()
    np.save(empty_file, np.empty(0, _HALVES), allow_pickle=False)
    header = empty_file.getvalue()
    n_header_bytes = header.rindex(b"\n") + 1
    with_shape = header.replace(b"(0,)", f"({n_rows},)".encode()).rstrip(b" \n")
    yield with_shape.ljust(n_header_bytes - 1) + b"\n"
    yield from parts
