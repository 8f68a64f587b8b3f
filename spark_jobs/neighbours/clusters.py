"""k-means over a table of vectors: rounds of Lloyd's algorithm, and the nearest centroid."""

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, DoubleType, IntegerType, LongType, StructField, StructType

from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import CLUSTER, CLUSTERS, EMBEDDING, ROWS
from udfs.nearest_centroids import add_nearest_centroid, sum_by_nearest
from udfs.vectors import Vectors

PAPERS = ("DataComp, image-based filtering: images in clusters near to those of ImageNet-1k",)

_SUMS = StructType(
    [
        StructField(CLUSTER, IntegerType()),
        StructField(ROWS, LongType()),
        StructField("sum", ArrayType(DoubleType())),
    ]
)


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

    Tasks sum, and the driver adds up their sums, (k, dimension) float64 each.
    """
    in_task = sum_by_nearest(centroids, names=_SUMS.names, table=table)
    task_sums = map_in_arrow(rows.select(key, EMBEDDING), in_task, _SUMS)
    counts = np.zeros(len(centroids), np.int64)
    sums = np.zeros(centroids.shape, np.float64)
    for batch in record_batches(task_sums):
        clusters = batch.column(0).to_numpy()
        np.add.at(counts, clusters, batch.column(1).to_numpy())
        of_task = batch.column(2).flatten().to_numpy().reshape(len(clusters), -1)
        np.add.at(sums, clusters, of_task)
    means = centroids.copy()
    has_rows = counts > 0
    means[has_rows] = (sums[has_rows] / counts[has_rows, None]).astype(np.float32)
    return means
