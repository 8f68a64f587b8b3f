"""Exact nearest-neighbour search over a table of vectors: k nearest per task, then of all tasks."""

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

_MOST_CANDIDATES = 4_000_000  # candidates that a task holds for one block of queries
_MOST_QUERY_BYTES = 32 << 20  # query vectors of one function, held by each task
_QUERY, _TIE, _STORED = "query", "tie", "stored"
_CANDIDATES = StructType(
    [
        StructField(_QUERY, IntegerType()),
        StructField(UID, StringType()),
        StructField(SIMILARITY, FloatType()),
        StructField(_TIE, LongType()),
        StructField(_STORED, FloatType()),
    ]
)


def query_blocks(n_queries: int, dimension: int, k: int) -> list[slice]:
    """Split the queries into blocks, one for each pass over the embeddings.

    A block is limited by the k candidates that a task holds for each query, and by the vectors that
    it searches for at once: 32 MiB, i.e. 16,384 queries of dimension 512.
    """
    block_size = max(1, min(_MOST_CANDIDATES // k, _MOST_QUERY_BYTES // (4 * dimension)))
    return [
        slice(start, min(start + block_size, n_queries))
        for start in range(0, n_queries, block_size)
    ]


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
    """Find the k vectors of largest cosine with each query of a block, as schemas.NEIGHBOURS.

    embeddings: n_rows of uid and embedding, unit vectors, of `table`. queries: (n, dimension), one
    of `query_blocks`, in the order of `query_ids`. Ranks follow the exact products, which depend on
    the two vectors alone, ties a hash of the uid. Similarities are stored with six decimals. One
    pass over the embeddings.
    """
    tie = F.xxhash64(UID).alias(_TIE)
    rows = embeddings.where(F.col(EMBEDDING).isNotNull()).select(UID, EMBEDDING, tie)
    search = _search_function(queries, k, n_rows // n_tasks, table)
    candidates = map_in_arrow(rows.coalesce(n_tasks), search, _CANDIDATES)
    nearest_first = Window.partitionBy(_QUERY).orderBy(F.desc(SIMILARITY), _TIE, UID)
    rank = (F.row_number().over(nearest_first) - 1).alias(RANK)
    stored = F.col(_STORED).alias(SIMILARITY)
    ranked = candidates.select(_QUERY, UID, rank, stored)
    query_names = embeddings.sparkSession.createDataFrame(
        list(enumerate(query_ids)), f"{_QUERY} int, {QUERY_ID} string"
    )
    k_nearest = ranked.where(F.col(RANK) < k)
    return k_nearest.join(F.broadcast(query_names), on=_QUERY).select(*NEIGHBOURS.names)


def _search_function(queries: Vectors, k: int, n_rows: int, table: str) -> BatchFunction:
    def search(batches: Batches) -> Iterator[pa.RecordBatch]:
        return nearest_in_task(batches, queries, k, n_rows=n_rows, table=table)

    return search
