"""Read embeddings of one model and dimension, as rows or as a matrix on the driver."""

import os
import tempfile
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core import schemas
from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.columns import keys, named
from spark_jobs.core.errors import FileError, InputDataError
from spark_jobs.core.schemas import EMBEDDING, MODEL, UID, WEIGHTS
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.embedding.driver_vectors import refuse_too_large_for_driver, unit_matrix_on_driver
from spark_jobs.storage.run import Run
from udfs.models.spec import name_of_label
from udfs.vectors import Vectors


@dataclass(frozen=True)
class Embeddings:
    """A table of unit vectors of one model, each of `dimension` numbers.

    `model`: (label, digest of the weights). `rows`: the `n_rows` rows that have a vector;
    `n_without` further rows have none.
    """

    address: str
    rows: DataFrame
    model: tuple[str, str]
    dimension: int
    n_rows: int
    n_without: int

    @property
    def key(self) -> list[str]:
        """The key columns: uid or query_id, with caption_id if the table has one."""
        return keys(self.rows)


def read_embeddings(run: Run, address: str) -> Embeddings:
    """Read a table of embed-texts, embed-images or import-embeddings.

    Raises InputDataError if it has no vector, or vectors of several models or dimensions.
    """
    rows = run.read(address, schemas.VECTORS)
    run.read(address, StructType([StructField(name, StringType()) for name in keys(rows)[:1]]))
    has_vector = F.col(EMBEDDING).isNotNull()
    length = F.when(has_vector, F.size(EMBEDDING)).alias("length")
    model = [F.when(has_vector, named(name)).alias(name) for name in (MODEL, WEIGHTS)]
    kinds = [tuple(kind) for kind in rows.groupBy(*model, length).count().limit(9).collect()]
    n_without = sum(n for *_, dimension, n in kinds if dimension is None)
    kinds = [kind for kind in kinds if kind[2] is not None]
    if not kinds:
        raise InputDataError(f"table {address} holds no vector")
    if len(kinds) > 1:
        shown = "; ".join(sorted(f"{name} ({digest}, {n} long)" for name, digest, n, _ in kinds))
        raise InputDataError(f"table {address} holds vectors of several models: {shown}")
    [(name, digest, dimension, n_rows)] = kinds
    return Embeddings(address, rows.where(has_vector), (name, digest), dimension, n_rows, n_without)


def with_metadata(run: Run, embeddings: Embeddings, captions: str | None) -> DataFrame:
    """Rows of uid and embedding, joined with a table of captions if there is one.

    One row per vector: raises InputDataError if a uid has several vectors or several captions.
    """
    if embeddings.key != [UID]:
        raise InputDataError(f"table {embeddings.address}: there must be one vector a uid")
    remedy = "expected one row a uid, so that each row of the metadata is of one vector"
    refuse_repeated_or_null_keys(embeddings.rows, [UID], embeddings.address, remedy)
    rows = embeddings.rows.select(UID, EMBEDDING)
    if captions is None:
        return rows
    metadata = run.read(captions, schemas.CAPTIONS).drop(EMBEDDING)
    refuse_repeated_or_null_keys(metadata, [UID], captions, remedy)
    return rows.join(metadata, on=UID, how="left")


def refuse_other_model(first: Embeddings, second: Embeddings) -> None:
    """Raise InputDataError unless both tables' vectors are of one model and dimension.

    The prompts may differ, as they do between queries and documents.
    """
    if not is_same_model(first.model, second.model):
        raise InputDataError(
            f"{first.address} is of {first.model[0]} ({first.model[1]}), but {second.address} of "
            f"{second.model[0]} ({second.model[1]})"
        )
    if first.dimension != second.dimension:
        raise InputDataError(
            f"vectors of {first.address} have {first.dimension} numbers, those of "
            f"{second.address} {second.dimension}"
        )


def refuse_missing_vectors(embeddings: Embeddings, n_written: int, called: str) -> None:
    """Raise InputDataError unless a job has written all vectors of the table.

    `called`: what was written, such as "output FOLDER".
    """
    if n_written != embeddings.n_rows:
        raise InputDataError(
            f"{called}: {n_written:,} of {embeddings.n_rows:,} vectors of {embeddings.address} "
            "were written; did it change meanwhile?"
        )


def is_same_model(first: tuple[str, str], second: tuple[str, str]) -> bool:
    """Whether two (label, digest of weights) are of one model, whatever their prompts."""
    return (name_of_label(first[0]), first[1]) == (name_of_label(second[0]), second[1])


def refuse_repeated_vectors(embeddings: Embeddings, called: str = "query") -> None:
    """Raise InputDataError unless there is one vector a key, which is of a single column.

    `called`: what has a vector, such as "query".
    """
    if len(embeddings.key) > 1:
        raise InputDataError(f"table {embeddings.address}: expected one vector a uid")
    refuse_repeated_or_null_keys(
        embeddings.rows, embeddings.key, embeddings.address, f"expected one vector a {called}"
    )


def collect_vectors(embeddings: Embeddings) -> tuple[pa.ChunkedArray, Vectors]:
    """Collect (keys, unit vectors of shape (n_rows, dimension)) on the driver, in stored order.

    Needs 4 bytes a number plus one partition of the table. Raises InputDataError if the vectors
    take more than 2 GiB, a key is repeated, or a vector is not of unit length.
    """
    n_rows, dimension, table = embeddings.n_rows, embeddings.dimension, embeddings.address
    refuse_too_large_for_driver(
        n_rows, dimension, table, "search for them in parts, each of fewer queries"
    )
    refuse_repeated_vectors(embeddings)
    vectors = np.empty((n_rows, dimension), np.float32)
    return _fill(vectors, embeddings), vectors


def collect_vectors_on_disk(embeddings: Embeddings) -> tuple[pa.ChunkedArray, Vectors]:
    """The same, of keys that are not looked at, as a map of a file of the driver without a name.

    The disk of temporary files must have 4 bytes a number; raises FileError if it has not.
    """
    shape = (embeddings.n_rows, embeddings.dimension)
    try:
        with tempfile.TemporaryFile() as file:
            # Taken at once: where room runs out under a map, the process is killed.
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(file.fileno(), 0, 4 * shape[0] * shape[1])
            vectors = np.memmap(file, np.float32, "w+", shape=shape)
    except OSError as fault:
        raise FileError(
            f"{tempfile.gettempdir()}: no room for {embeddings.n_rows:,} vectors of "
            f"{embeddings.dimension} numbers ({fault.strerror}); set TMPDIR to another disk"
        ) from None
    return _fill(vectors, embeddings), np.asarray(vectors)


def _fill(vectors: Vectors, embeddings: Embeddings) -> pa.ChunkedArray:
    """Write the unit vectors of a table into an array; their keys."""
    n_rows, table = embeddings.n_rows, embeddings.address
    [key] = embeddings.key
    key_chunks, n_read = [], 0
    for batch in record_batches(embeddings.rows.select(key, EMBEDDING)):
        batch_vectors = unit_matrix_on_driver(batch.column(EMBEDDING), batch.column(key), table)
        end = n_read + batch.num_rows
        if end > n_rows:
            break
        vectors[n_read:end] = batch_vectors
        key_chunks.append(batch.column(key).cast(pa.string()))
        n_read = end
    else:
        if n_read == n_rows:
            return pa.chunked_array(key_chunks, pa.string())
    raise InputDataError(
        f"table {table}: had {n_rows:,} vectors when it was first read, and has "
        "others now: it changed meanwhile; run again"
    )
