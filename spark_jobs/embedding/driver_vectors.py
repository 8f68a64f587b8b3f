"""Checks of vectors that are collected on the driver: their size in memory and unit length."""

import pyarrow as pa

from spark_jobs.core.errors import InputDataError
from udfs.task_errors import TaskInputError
from udfs.vectors import Vectors, unit_matrix

MOST_DRIVER_BYTES = 2 << 30


def refuse_too_large_for_driver(n_rows: int, dimension: int, table: str, remedy: str) -> None:
    """Raise InputDataError if n_rows float32 vectors take more than MOST_DRIVER_BYTES."""
    most_rows = MOST_DRIVER_BYTES // (4 * dimension)
    if n_rows > most_rows:
        raise InputDataError(
            f"table {table}: {n_rows:,} vectors of {dimension} numbers would be on the driver, "
            f"which takes {most_rows:,} at most ({MOST_DRIVER_BYTES >> 20:,} MiB); {remedy}"
        )


def unit_matrix_on_driver(
    lists: pa.ListArray | pa.ChunkedArray, keys: pa.Array | pa.ChunkedArray, table: str
) -> Vectors:
    """`unit_matrix`, which on the driver raises InputDataError if a vector has another length."""
    try:
        return unit_matrix(lists, keys, table)
    except TaskInputError as fault:
        raise InputDataError(str(fault)) from None
