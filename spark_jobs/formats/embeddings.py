"""Reading embeddings: of one model, of one length, as rows or as a matrix on the driver."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core import schemas
from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.columns import keys, named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import EMBEDDING, MODEL, UID, WEIGHTS
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.embedding.driver_vectors import checked_unit, refuse_too_large_for_driver
from spark_jobs.storage.run import Run
from udfs.models.spec import name_of_label
from udfs.vectors import Vectors


@dataclass(frozen=True)
class Embeddings:
    """A table of unit vectors, all of `dimension` numbers and of one model.

    `model`: its label and the digest of its weights. `rows`: the n_rows rows that have a vector;
    n_without more have none.
    """

    address: str
    rows: DataFrame
    model: tuple[str, str]
    dimension: int
    n_rows: int
    n_without: int

    @property
    def key(self) -> list[str]:
        """The columns that tell its rows apart: uid or query_id, with caption_id if it has one."""
        return keys(self.rows)


def read_embeddings(run: Run, address: str) -> Embeddings:
    """A table of embed-texts, embed-images or import-embeddings.

    Raises InputDataError where it holds no vector, or those of several models or lengths.
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
    """Uid and embedding, with the columns of a table of captions where one is given.

    A row per vector: raises InputDataError where a uid has several vectors or several captions.
    """
    if embeddings.key != [UID]:
        raise InputDataError(f"table {embeddings.address}: there must be one vector a uid")
    remedy = "expected one row a uid, so that each row of the metadata is of one vector"
    refuse_repeated_or_null_keys(embeddings.rows, [UID], embeddings.address, remedy)
    rows = embeddings.rows.select(UID, EMBEDDING)
    if captions is None:
        return rows
    texts = run.read(captions, schemas.CAPTIONS).drop(EMBEDDING)
    refuse_repeated_or_null_keys(texts, [UID], captions, remedy)
    return rows.join(texts, on=UID, how="left")


def refuse_other_model(some: Embeddings, others: Embeddings) -> None:
    """Raise InputDataError unless the vectors of both can be compared.

    Those of one model with different prompts can be: so queries and documents are embedded.
    """
    if not is_same_model(some.model, others.model):
        raise InputDataError(
            f"{some.address} is of {some.model[0]} ({some.model[1]}), but {others.address} of "
            f"{others.model[0]} ({others.model[1]})"
        )
    if some.dimension != others.dimension:
        raise InputDataError(
            f"vectors of {some.address} have {some.dimension} numbers, those of "
            f"{others.address} {others.dimension}"
        )


def is_same_model(some: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether (label, digest of weights) are of one model, be it with another prompt."""
    return (name_of_label(some[0]), some[1]) == (name_of_label(other[0]), other[1])


def refuse_repeated_queries(embeddings: Embeddings) -> None:
    """Raise InputDataError unless each query has one vector and a key of its own."""
    if len(embeddings.key) > 1:
        raise InputDataError(f"table {embeddings.address}: queries need one vector a uid")
    refuse_repeated_or_null_keys(
        embeddings.rows, embeddings.key, embeddings.address, "expected one vector a query"
    )


def collect_vectors(embeddings: Embeddings) -> tuple[pa.ChunkedArray, Vectors]:
    """(keys, unit vectors (n, dimension)) on the driver, in the order in which they are stored.

    4 bytes a number, beside one partition of the table. Raises InputDataError where that is more
    than 2 GiB, a key is there several times, or a vector is not of unit length.
    """
    n_rows, dimension, table = embeddings.n_rows, embeddings.dimension, embeddings.address
    refuse_too_large_for_driver(
        n_rows, dimension, table, "search for them in parts, each of fewer queries"
    )
    refuse_repeated_queries(embeddings)
    [key] = embeddings.key
    vectors = np.empty((n_rows, dimension), np.float32)
    keys_of_batches, n_read = [], 0
    for batch in record_batches(embeddings.rows.select(key, EMBEDDING)):
        of_batch = checked_unit(batch.column(EMBEDDING), batch.column(key), table)
        last = n_read + batch.num_rows
        if last > n_rows:
            break
        vectors[n_read:last] = of_batch
        keys_of_batches.append(batch.column(key).cast(pa.string()))
        n_read = last
    else:
        if n_read == n_rows:
            return pa.chunked_array(keys_of_batches, pa.string()), vectors
    raise InputDataError(
        f"table {table}: had {n_rows:,} vectors when it was first read, and has "
        "others now: it changed meanwhile; run again"
    )
