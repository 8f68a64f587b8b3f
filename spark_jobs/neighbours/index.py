"""A faiss index over a table of vectors, and search in one, by tasks."""

from collections.abc import Iterator, Mapping

import numpy as np
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
from spark_jobs.core.columns import free_name, named
from spark_jobs.core.schemas import EMBEDDING, NEIGHBOURS, QUERY_ID, RANK, SIMILARITY, UID
from udfs.arrow import Batches
from udfs.faiss_index import ROWS, SHARD, fill_shards, search_index
from udfs.vectors import stored_cosines, unit_matrix

POSITION = "position"
_SHARDS = StructType([StructField(SHARD, IntegerType()), StructField(ROWS, LongType())])
_POSITIONS = StructType(
    [
        StructField(QUERY_ID, StringType()),
        StructField(POSITION, LongType()),
        StructField(SIMILARITY, FloatType()),
    ]
)


def write_shards(
    rows: DataFrame, trained: bytes, folder: str, n_shards: int, table: str
) -> dict[int, int]:
    """Write the files of `fill_shards` by the order of uid, and give shard -> vectors.

    rows: uid, embedding and what is to stand in the metadata; table: what they are of.
    """
    sorted_rows = rows.repartitionByRange(n_shards, UID).sortWithinPartitions(UID)
    fill = fill_shards(trained, folder, len(str(n_shards)), table)
    written = map_in_arrow(sorted_rows, fill, _SHARDS).collect()
    return {row[SHARD]: row[ROWS] for row in written}


def search(
    queries: DataFrame, key: str, index: str, *, k: int, n_probe: int, n_tasks: int, table: str
) -> DataFrame:
    """The k nearest of each query in an index: query_id, position in it, similarity.

    Fewer where the inverted lists that were looked into hold fewer. table: what the queries are of.
    """
    rows = queries.select(named(key).alias(QUERY_ID), EMBEDDING).repartition(n_tasks)

    def find(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            vectors = unit_matrix(batch.column(EMBEDDING), batch.column(QUERY_ID), table)
            similarity, position = search_index(index, n_probe, vectors, k)
            query, rank = np.nonzero(position >= 0)
            yield pa.RecordBatch.from_arrays(
                [
                    batch.column(QUERY_ID).take(pa.array(query)),
                    pa.array(position[query, rank]),
                    pa.array(stored_cosines(similarity[query, rank])),
                ],
                _POSITIONS.names,
            )

    return map_in_arrow(rows, find, _POSITIONS)


def with_uids(found: DataFrame, uids: DataFrame) -> DataFrame:
    """schemas.NEIGHBOURS of what `search` found; a position without a uid keeps its row, uid null.

    uids: position and uid. Equally near ones are ordered by a hash of their uid, as by exact
    search, though which of them are among the k is the index's.
    """
    rows = found.join(uids, on=POSITION, how="left")
    nearest_first = Window.partitionBy(QUERY_ID).orderBy(
        F.desc(SIMILARITY), F.xxhash64(UID), UID, POSITION
    )
    rank = (F.row_number().over(nearest_first) - 1).alias(RANK)
    return rows.select(QUERY_ID, UID, rank, SIMILARITY).select(*NEIGHBOURS.names)


def with_positions(rows: DataFrame, first_of_file: Mapping[str, int]) -> DataFrame:
    """Rows of metadata files with their position: those of the files before their own come first.

    A row of another file has the position null.
    """
    file, first = free_name(rows, "_file"), free_name(rows, "_first")
    located = rows.withColumns(
        {file: F.col("_metadata.file_name"), POSITION: F.col("_metadata.row_index")}
    )
    names = StructType([StructField(file, StringType()), StructField(first, LongType())])
    firsts = rows.sparkSession.createDataFrame([*first_of_file.items()], names)
    joined = located.join(F.broadcast(firsts), on=file, how="left")
    position = (named(first) + F.col(POSITION)).alias(POSITION)
    own = (name for name in rows.columns if name.lower() != POSITION)
    return joined.select(*map(named, own), position)
