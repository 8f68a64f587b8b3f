"""A faiss index over a table of vectors, and search in one, by tasks."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.draws import Draw
from spark_jobs.schemas import EMBEDDING, QUERY_ID, RANK, SIMILARITY, UID
from udfs.arrow import Batches
from udfs.faiss_index import ROWS, SHARD, fill_shards, search_index
from udfs.vectors import Vectors, matrix

POSITION = "position"
_SHARDS = StructType([StructField(SHARD, IntegerType()), StructField(ROWS, LongType())])
_POSITIONS = StructType(
    [
        StructField(QUERY_ID, StringType()),
        StructField(RANK, IntegerType()),
        StructField(POSITION, LongType()),
        StructField(SIMILARITY, FloatType()),
    ]
)


def sample(embeddings: DataFrame, n_rows: int, seed: int) -> Vectors:
    """So many vectors, or all there are, those with the smallest draws, (n, dimension)."""
    drawn = embeddings.select(EMBEDDING, Draw("build-index/train", seed).of(UID).alias("draw"), UID)
    rows = drawn.orderBy("draw", UID).limit(n_rows).select(EMBEDDING).toPandas()
    return matrix(pa.array(rows[EMBEDDING], pa.list_(pa.float32())))


def write_shards(rows: DataFrame, trained: bytes, folder: str, n_shards: int) -> dict[int, int]:
    """Write the files of `fill_shards` by the order of uid, and give shard -> vectors.

    rows: uid, embedding and what is to stand in the metadata.
    """
    sorted_rows = rows.repartitionByRange(n_shards, UID).sortWithinPartitions(UID)
    fill = fill_shards(trained, folder, len(str(n_shards)))
    written = sorted_rows.mapInArrow(fill, _SHARDS).collect()
    return {row[SHARD]: row[ROWS] for row in written}


def search(
    queries: DataFrame, key: str, index: str, *, k: int, n_probe: int, n_tasks: int
) -> DataFrame:
    """The positions in an index of the k nearest of each query: query_id, rank, position, ..."""
    rows = queries.select(F.col(key).alias(QUERY_ID), EMBEDDING).repartition(n_tasks)

    def find(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            similarity, position = search_index(index, n_probe, matrix(batch.column(EMBEDDING)), k)
            query, rank = np.nonzero(position >= 0)
            yield pa.RecordBatch.from_arrays(
                [
                    batch.column(QUERY_ID).take(pa.array(query)),
                    pa.array(rank.astype(np.int32)),
                    pa.array(position[query, rank]),
                    pa.array(similarity[query, rank]),
                ],
                _POSITIONS.names,
            )

    return rows.mapInArrow(find, _POSITIONS)


def positions(first_of_file: Mapping[str, int]) -> Column:
    """The position of a metadata row: those of the files before its own come first."""
    first = F.create_map(*(F.lit(part) for pair in first_of_file.items() for part in pair))
    return first[F.col("_metadata.file_name")] + F.col("_metadata.row_index")
