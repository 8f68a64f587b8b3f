"""k-means over a table of vectors: rounds of Lloyd's algorithm, and the nearest centroid."""

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DoubleType, IntegerType, LongType, StructField, StructType

from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import CENTROIDS, CLUSTER, CLUSTERS, EMBEDDING, NEAR_TARGET, ROWS
from udfs.nearest_centroids import (
    add_centroid,
    add_nearest_centroid,
    means_of_sums,
    sum_by_nearest,
)
from udfs.vectors import Vectors

PAPERS = ("DataComp, image-based filtering: images in clusters near to those of ImageNet-1k",)

_TASK = "task"
_SUMS = StructType(
    [
        StructField(CLUSTER, IntegerType()),
        StructField(ROWS, LongType()),
        StructField("sum", ArrayType(DoubleType())),
    ]
)
_MEANS = StructType([CENTROIDS[CLUSTER], CENTROIDS[EMBEDDING]])


def with_nearest_centroid(
    rows: DataFrame, key: str, centroids: Vectors, is_target: NDArray[np.bool_], table: str
) -> DataFrame:
    """schemas.CLUSTERS of rows of key and embedding: the centroid of largest inner product.

    As published: nothing is normalised, and of equal products the first centroid is taken.
    """
    assign = add_nearest_centroid(centroids, is_target, names=CLUSTERS.names, table=table)
    return map_in_arrow(rows.select(key, EMBEDDING), assign, CLUSTERS)


def lloyd_round(rows: DataFrame, key: str, centroids: Vectors, table: str) -> Vectors:
    """The means of the vectors nearest to each centroid; one without a vector stays as it is.

    Tasks sum by centroid, further tasks add up the sums of each in the order of the first ones, and
    the driver gets a mean a centroid, float32.
    """
    in_task = sum_by_nearest(centroids, names=_SUMS.names, table=table)
    task_sums = map_in_arrow(rows.select(key, EMBEDDING), in_task, _SUMS)
    by_centroid = (
        task_sums.withColumn(_TASK, F.spark_partition_id())
        .repartition(CLUSTER)
        .sortWithinPartitions(CLUSTER, _TASK)
        .drop(_TASK)
    )
    means = centroids.copy()
    for batch in record_batches(map_in_arrow(by_centroid, means_of_sums(_MEANS.names), _MEANS)):
        lists = batch.column(1)
        means[batch.column(0).to_numpy()] = lists.flatten().to_numpy().reshape(len(lists), -1)
    return means


def centroid_rows(
    clusters: DataFrame, centroids: Vectors, is_target: NDArray[np.bool_] | None
) -> DataFrame:
    """schemas.CENTROIDS: each centroid with the number of its rows in schemas.CLUSTERS.

    is_target: whether the target set is near to each, (k,); None without such a set.
    """
    numbers = clusters.sparkSession.range(len(centroids)).select(F.col("id").cast("int"))
    columns = StructType([CENTROIDS[name] for name in (CLUSTER, NEAR_TARGET, EMBEDDING)])
    rows = map_in_arrow(numbers, add_centroid(centroids, is_target, names=columns.names), columns)
    row_counts = clusters.groupBy(CLUSTER).agg(F.count(F.lit(1)).alias(ROWS))
    counted = rows.join(row_counts, on=CLUSTER, how="left").fillna(0, [ROWS])
    return counted.select(*CENTROIDS.names)
