"""Exact search over a table of vectors: the k nearest in each task, then of all tasks."""

from collections.abc import Iterator, Sequence
from functools import reduce

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

from spark_jobs.schemas import EMBEDDING, NEIGHBOURS, QUERY_ID, RANK, SIMILARITY, UID
from udfs.arrow import Batches, BatchFunction
from udfs.neighbours import nearest_in_task
from udfs.vectors import Vectors

_MOST_CANDIDATES = 4_000_000  # that a task holds of one block of queries
_MOST_QUERY_BYTES = 128 << 20
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
    """schemas.NEIGHBOURS: the k vectors of largest cosine with each query.

    embeddings: n_rows of uid and embedding, unit vectors, of `table`. queries: (n, dimension), in
    the order of `query_ids`. The order is that of the exact products, which hang on the two vectors
    alone; equally near ones are ordered by a hash of their uid. What is stored are six decimals.
    Each block of queries that a task can hold is a pass over the embeddings.
    """
    tie = F.xxhash64(UID).alias(_TIE)
    rows = embeddings.where(F.col(EMBEDDING).isNotNull()).select(UID, EMBEDDING, tie)
    rows = rows.coalesce(n_tasks)
    block = max(1, min(_MOST_CANDIDATES // k, _MOST_QUERY_BYTES // (4 * queries.shape[1])))
    passes = [
        rows.mapInArrow(
            _searching(queries[start : start + block], k, start, n_rows // n_tasks, table), _FOUND
        )
        for start in range(0, len(queries), block)
    ]
    nearest_first = Window.partitionBy(_QUERY).orderBy(F.desc(SIMILARITY), _TIE, UID)
    rank = (F.row_number().over(nearest_first) - 1).alias(RANK)
    stored = F.col(_STORED).alias(SIMILARITY)
    ranked = reduce(DataFrame.unionAll, passes).select(_QUERY, UID, rank, stored)
    names = embeddings.sparkSession.createDataFrame(
        list(enumerate(query_ids)), f"{_QUERY} int, {QUERY_ID} string"
    )
    few = ranked.where(F.col(RANK) < k)
    return few.join(F.broadcast(names), on=_QUERY).select(*NEIGHBOURS.names)


def _searching(queries: Vectors, k: int, first: int, n_rows: int, table: str) -> BatchFunction:
    def search(batches: Batches) -> Iterator[pa.RecordBatch]:
        return nearest_in_task(batches, queries, k, first=first, n_rows=n_rows, table=table)

    return search
