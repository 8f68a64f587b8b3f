"""Exact search over a table of vectors: the k nearest in each task, then of all tasks."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import (
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import EMBEDDING, NEIGHBOURS, QUERY_ID, RANK, SIMILARITY, UID
from udfs.arrow import Batches, BatchFunction
from udfs.neighbours import nearest_in_task
from udfs.vectors import Vectors

_MOST_CANDIDATES = 4_000_000  # that a task holds of one block of queries
_MOST_QUERY_BYTES = 32 << 20  # of one closure, which the driver pickles
_QUERY, _TIE, _STORED = "query", "tie", "stored"
_FOUND = StructType(
    [
        StructField(_QUERY, IntegerType()),
        StructField(UID, StringType()),
        StructField(SIMILARITY, FloatType()),
        StructField(_TIE, LongType()),
        StructField(_STORED, FloatType()),
    ]
)


def query_blocks(n_queries: int, dimension: int, k: int) -> list[slice]:
    """The queries of each pass over the embeddings: what a task holds, and a closure carries.

    Of each query a task holds up to k candidates, and its vector travels in the UDF's closure: 32
    MiB of vectors, 16,384 queries of 512 numbers.
    """
    block = max(1, min(_MOST_CANDIDATES // k, _MOST_QUERY_BYTES // (4 * dimension)))
    return [slice(start, min(start + block, n_queries)) for start in range(0, n_queries, block)]


def nearest(
    embeddings: DataFrame,
    query_ids: Sequence[str],
    queries: Vectors,
    *,
    k: int,
    n_rows: int,
    n_tasks: int,
    table: str,
) -> DataFrame:
    """schemas.NEIGHBOURS: the k vectors of largest cosine with each query of a block.

    embeddings: n_rows of uid and embedding, unit vectors, of `table`. queries: (n, dimension), in
    the order of `query_ids`, of one of `query_blocks`. The order is that of the exact products,
    which hang on the two vectors alone; equally near ones are ordered by a hash of their uid. What
    is stored are six decimals. One pass over the embeddings.
    """
    tie = F.xxhash64(UID).alias(_TIE)
    rows = embeddings.where(F.col(EMBEDDING).isNotNull()).select(UID, EMBEDDING, tie)
    search = _searching(queries, k, n_rows // n_tasks, table)
    nearest_rows = map_in_arrow(rows.coalesce(n_tasks), search, _FOUND)
    nearest_first = Window.partitionBy(_QUERY).orderBy(F.desc(SIMILARITY), _TIE, UID)
    rank = (F.row_number().over(nearest_first) - 1).alias(RANK)
    stored = F.col(_STORED).alias(SIMILARITY)
    ranked = nearest_rows.select(_QUERY, UID, rank, stored)
    names = embeddings.sparkSession.createDataFrame(
        list(enumerate(query_ids)), f"{_QUERY} int, {QUERY_ID} string"
    )
    few = ranked.where(F.col(RANK) < k)
    return few.join(F.broadcast(names), on=_QUERY).select(*NEIGHBOURS.names)


def _searching(queries: Vectors, k: int, n_rows: int, table: str) -> BatchFunction:
    def search(batches: Batches) -> Iterator[pa.RecordBatch]:
        return nearest_in_task(batches, queries, k, n_rows=n_rows, table=table)

    return search
