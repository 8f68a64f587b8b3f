"""Read a few vectors as a matrix on the driver: an npy file, or a table of embeddings."""

import io

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.core import schemas
from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.columns import named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CLUSTER, EMBEDDING
from spark_jobs.embedding.driver_vectors import refuse_too_large_for_driver
from spark_jobs.storage.run import Run
from spark_jobs.storage.small_files import read_bytes
from udfs.task_errors import TaskInputError
from udfs.vectors import Vectors, finite_matrix


def is_npy(address: str) -> bool:
    """Whether an address is that of a file of numpy."""
    return address.endswith(".npy")


def read_npy_matrix(run: Run, address: str) -> Vectors:
    """The matrix (n, dimension) of an npy file; InputDataError if it holds something else.

    So it does if it is larger than what the driver takes.
    """
    try:
        array = np.load(io.BytesIO(read_bytes(run.spark, address)), allow_pickle=False)
    except (ValueError, EOFError) as fault:
        raise InputDataError(f"{address}: is no npy file of numbers ({fault})") from None
    if array.ndim != 2 or array.dtype.kind != "f" or not array.size:
        raise InputDataError(
            f"{address}: holds {array.dtype} of shape {array.shape}, expected floats of shape "
            "(vectors, dimension)"
        )
    remedy = "make a table of them: import-embeddings"
    refuse_too_large_for_driver(len(array), array.shape[1], address, remedy)
    vectors: Vectors = array.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise InputDataError(f"{address}: holds a NaN or an infinity, expected vectors of numbers")
    return vectors


def read_centroids(run: Run, address: str) -> Vectors:
    """Centroids (k, dimension): of an npy file, or of a table of cluster-images in order.

    Raises InputDataError if the table's clusters are not 0 to k - 1, each once.
    """
    if is_npy(address):
        return read_npy_matrix(run, address)
    rows = run.read(address, StructType([schemas.CENTROIDS[n] for n in (CLUSTER, EMBEDDING)]))
    n_rows = count_rows(rows)
    first = rows.select(F.size(EMBEDDING)).first()
    if first is None:
        raise InputDataError(f"table {address} holds no centroid")
    refuse_too_large_for_driver(n_rows, max(1, first[0]), address, "take fewer centroids")
    table = pa.Table.from_batches(record_batches(rows.select(named(CLUSTER), EMBEDDING)))
    table = table.sort_by(CLUSTER)
    if table[CLUSTER].to_pylist() != [*range(n_rows)]:
        raise InputDataError(f"table {address}: its clusters are not 0 to {n_rows - 1}, each once")
    try:
        return finite_matrix(table[EMBEDDING], table[CLUSTER], address)
    except TaskInputError as fault:
        raise InputDataError(str(fault)) from None
