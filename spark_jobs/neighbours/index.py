"""Build a faiss index from a table of vectors, and search one, in tasks."""

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
from spark_jobs.core.task_files import rows_by_task
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
    """Write the shards of an index, sorted by uid, and return shard -> number of vectors.

    rows: uid, embedding and the columns of the metadata files, of `table`. The files are those of
    `fill_shards`.
    """
    sorted_rows = rows.repartitionByRange(n_shards, UID).sortWithinPartitions(UID)
    fill = fill_shards(trained, folder, len(str(n_shards)), table)
    written = map_in_arrow(sorted_rows, fill, _SHARDS).collect()
    return rows_by_task((row[SHARD], row[ROWS]) for row in written)


def search(
    queries: DataFrame, key: str, index: str, *, k: int, n_probe: int, n_tasks: int, table: str
) -> DataFrame:
    """Find the k nearest vectors of each query in an index: query_id, position, similarity.

    Fewer than k if the inverted lists that are probed hold fewer. table: the table of the queries.
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


def with_uids(nearest: DataFrame, uids: DataFrame) -> DataFrame:
    """Replace the positions of `search` by uids and add ranks, as schemas.NEIGHBOURS.

    uids: position and uid; a position without a uid gets a null. Ties are ranked by a hash of the
    uid, as in exact search, but the index decides which of them are among the k.
    """
    rows = nearest.join(uids, on=POSITION, how="left")
    nearest_first = Window.partitionBy(QUERY_ID).orderBy(
        F.desc(SIMILARITY), F.xxhash64(UID), UID, POSITION
    )
    rank = (F.row_number().over(nearest_first) - 1).alias(RANK)
    return rows.select(QUERY_ID, UID, rank, SIMILARITY).select(*NEIGHBOURS.names)


def with_positions(rows: DataFrame, first_of_file: Mapping[str, int]) -> DataFrame:
    """Add to rows of metadata files their position in the index.

    That is the row's index in its file plus `first_of_file`, the position of the file's first row;
    null for a file that is not in it.
    """
    file, first_position = free_name(rows, "_file"), free_name(rows, "_first")
    with_file = rows.withColumns(
        {file: F.col("_metadata.file_name"), POSITION: F.col("_metadata.row_index")}
    )
    schema = StructType([StructField(file, StringType()), StructField(first_position, LongType())])
    first_positions = rows.sparkSession.createDataFrame([*first_of_file.items()], schema)
    joined = with_file.join(F.broadcast(first_positions), on=file, how="left")
    position = (named(first_position) + F.col(POSITION)).alias(POSITION)
    other_columns = (name for name in rows.columns if name.lower() != POSITION)
    return joined.select(*map(named, other_columns), position)
