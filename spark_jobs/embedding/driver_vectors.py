"""Vectors that are wanted all together on the driver: how many it takes, and that they are unit."""

import pyarrow as pa

from spark_jobs.core.errors import InputDataError
from udfs.task_errors import TaskInputError
from udfs.vectors import Vectors, unit_matrix

MOST_DRIVER_BYTES = 2 << 30


def refuse_too_large_for_driver(n_rows: int, dimension: int, table: str, remedy: str) -> None:
    """Raise InputDataError where so many vectors are more than 2 GiB, 4 bytes a number."""
    most = MOST_DRIVER_BYTES // (4 * dimension)
    if n_rows > most:
        raise InputDataError(
            f"table {table}: {n_rows:,} vectors of {dimension} numbers would be on the driver, "
            f"which takes {most:,} at most ({MOST_DRIVER_BYTES >> 20:,} MiB); {remedy}"
        )


def checked_unit(
    lists: pa.ListArray | pa.ChunkedArray, of: pa.Array | pa.ChunkedArray, table: str
) -> Vectors:
    """`unit_matrix` on the driver: InputDataError where a vector is not of unit length."""
    try:
        return unit_matrix(lists, of, table)
    except TaskInputError as fault:
        raise InputDataError(str(fault)) from None
