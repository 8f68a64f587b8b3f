"""Reading embeddings: of one model, of one length, as rows or as a matrix on the driver."""

from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs import schemas
from spark_jobs.columns import keys
from spark_jobs.errors import InputDataError
from spark_jobs.job import Run
from spark_jobs.schemas import EMBEDDING, MODEL, UID, WEIGHTS
from udfs.vectors import Vectors, matrix


@dataclass(frozen=True)
class Embeddings:
    """A table of unit vectors, all of `dimension` numbers and of one model.

    `key`: uid or query_id, with caption_id where there is one. Rows without a vector are left out.
    """

    address: str
    rows: DataFrame
    model: tuple[str, str]
    dimension: int
    n_rows: int

    @property
    def key(self) -> list[str]:
        """The columns that tell its rows apart."""
        return keys(self.rows)


def read_embeddings(run: Run, address: str) -> Embeddings:
    """A table of embed-texts or embed-images.

    Raises InputDataError where it holds no vector, or those of several models or lengths.
    """
    rows = run.read(address, schemas.VECTORS)
    run.read(address, StructType([StructField(name, StringType()) for name in keys(rows)[:1]]))
    rows = rows.where(F.col(EMBEDDING).isNotNull())
    kinds = rows.groupBy(MODEL, WEIGHTS, F.size(EMBEDDING).alias("length")).count().limit(9)
    found = [tuple(kind) for kind in kinds.collect()]
    if not found:
        raise InputDataError(f"table {address} holds no vector")
    if len(found) > 1:
        told = "; ".join(f"{model} ({weights}, {n} long)" for model, weights, n, _ in sorted(found))
        raise InputDataError(f"table {address} holds vectors of several models: {told}")
    [(model, weights, dimension, n_rows)] = found
    return Embeddings(address, rows, (model, weights), dimension, n_rows)


def with_metadata(run: Run, embeddings: Embeddings, captions: str | None) -> DataFrame:
    """Uid and embedding, with the columns of a table of captions where one is given.

    Raises InputDataError where a uid has several vectors.
    """
    if embeddings.key != [UID]:
        raise InputDataError(f"table {embeddings.address}: there must be one vector a uid")
    rows = embeddings.rows.select(UID, EMBEDDING)
    if captions is None:
        return rows
    told = run.read(captions, schemas.CAPTIONS).drop(EMBEDDING)
    return rows.join(told, on=UID, how="left")


def refuse_other_model(some: Embeddings, others: Embeddings) -> None:
    """Raise InputDataError unless the vectors of both can be compared."""
    if some.model != others.model:
        raise InputDataError(
            f"{some.address} is of {some.model[0]} ({some.model[1]}), but {others.address} of "
            f"{others.model[0]} ({others.model[1]})"
        )
    if some.dimension != others.dimension:
        raise InputDataError(
            f"vectors of {some.address} have {some.dimension} numbers, those of "
            f"{others.address} {others.dimension}"
        )


def on_driver(embeddings: Embeddings) -> tuple[list[str], Vectors]:
    """(keys, vectors (n, dimension)) in the order of the keys, on the driver."""
    if len(embeddings.key) > 1:
        raise InputDataError(f"table {embeddings.address}: queries need one vector a uid")
    [key] = embeddings.key
    rows = embeddings.rows.select(key, EMBEDDING).orderBy(key)
    table = rows.toPandas()
    lists = pa.array(table[EMBEDDING], pa.list_(pa.float32()))
    return table[key].to_list(), matrix(lists)
