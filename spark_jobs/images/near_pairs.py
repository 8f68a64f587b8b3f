"""Edges between rows that are near each other: hashes by Hamming distance, vectors by cosine."""

import math

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import EMBEDDING, UID
from spark_jobs.images.components import NODE, ROOT
from udfs.hamming import all_masks, link_bands
from udfs.hashed_vectors import link_by_hashes, tables_at_once
from udfs.hyperplane_plan import plan_hashes
from udfs.similar_vectors import link_blocks
from udfs.vectors import SIMILARITY_DECIMALS, Vectors

_BLOCK_BYTES = 128 << 20  # of vectors that a task holds
_HALF_OF_LAST_DECIMAL = 10.0**-SIMILARITY_DECIMALS / 2
_UIDS = StructType([StructField(name, StringType()) for name in (NODE, ROOT)])
_BLOCK, _IS_STORED, _COPY = "block", "is_stored", "copy"


def near_hashes(hashes: DataFrame, *, distance: int) -> DataFrame:
    """Edges (node, root) that connect all hashes within a Hamming distance of each other.

    hashes: the column node, integers of 64 bits; equal ones are one node. Each goes to the tasks of
    its distance + 1 bands, see udfs.hamming.
    """
    distinct = hashes.select(NODE).where(F.col(NODE).isNotNull()).distinct()
    together = by_bands(distinct, distance=distance)
    columns = StructType([StructField(name, LongType()) for name in (NODE, ROOT)])
    return map_in_arrow(
        together.select("band", F.col(NODE).alias("hash")), link_bands(distance), columns
    )


def by_bands(rows: DataFrame, *, distance: int) -> DataFrame:
    """The rows once for each of distance + 1 bands of their node; adds band, its number.

    Those whose bits of a band are equal are in one partition.
    """
    signed = (mask - (mask >> 63 << 64) for mask in all_masks(distance))
    values = F.array(*(F.col(NODE).bitwiseAND(F.lit(mask).cast("long")) for mask in signed))
    in_bands = rows.select(F.posexplode(values).alias("band", "value"), *map(named, rows.columns))
    return in_bands.repartition("band", "value").drop("value")


def near_hashed_vectors(
    embeddings: DataFrame, vectors: Vectors, uids: pa.Array, *, threshold: float, n_tasks: int
) -> DataFrame | None:
    """Edges (node, root), uids, that connect the vectors of a cosine of at least the threshold.

    The cosine counts as scores are stored, rounded to six decimals; a pair is missed with a
    probability of 1e-10 at most, see udfs.hyperplane_plan. None if it is cheaper to compare all
    pairs. vectors: (n, dimension), unit vectors, and uids (n,), which were collected of the
    embeddings and go to each machine as files. n_tasks: how many tasks there should be, where there
    are as many tables of hashes.
    """
    least = threshold - _HALF_OF_LAST_DECIMAL
    plan = plan_hashes(vectors, least)
    if plan is None:
        return None
    n_cheapest = math.ceil(plan.n_tables / tables_at_once(len(vectors)))
    n_tasks = min(plan.n_tables, max(n_tasks, n_cheapest))
    tables = embeddings.sparkSession.range(0, plan.n_tables, 1, n_tasks)
    return map_in_arrow(tables, link_by_hashes(vectors, uids, plan, least), _UIDS)


def near_vectors(
    embeddings: DataFrame, *, threshold: float, n_rows: int, dimension: int, table: str
) -> DataFrame:
    """Edges (node, root), uids, that connect all vectors of a cosine of at least the threshold.

    The cosine counts as scores are stored, rounded to six decimals. embeddings: n_rows of uid and
    embedding, unit vectors of `table`. They are divided into blocks; a task holds a block and
    compares half of the others with it, so that each pair of blocks meets once. So each vector goes
    to half as many tasks as there are blocks.
    """
    n_blocks = math.ceil(4 * dimension * n_rows / _BLOCK_BYTES) or 1
    of_row = F.pmod(F.xxhash64(UID), F.lit(n_blocks)).cast("int")
    copies = F.sequence(F.lit(0), F.lit(n_blocks // 2))
    numbered = embeddings.select(
        UID, EMBEDDING, of_row.alias("own"), F.explode(copies).alias(_COPY)
    )
    block = F.pmod(F.col("own") - F.col(_COPY), F.lit(n_blocks))
    with_block = numbered.withColumn(_BLOCK, block)
    # Of two blocks that lie half of all apart, each would be compared with the other.
    is_second = (F.col(_COPY) * 2 == n_blocks) & (F.col("own") < F.col(_BLOCK))
    together = (
        with_block.where(~is_second)
        .select(_BLOCK, (F.col(_COPY) == 0).alias(_IS_STORED), UID, EMBEDDING)
        .repartition(2 * n_blocks, _BLOCK)
        .sortWithinPartitions(_BLOCK, F.desc(_IS_STORED))
    )
    link = link_blocks(threshold - _HALF_OF_LAST_DECIMAL, max(1, n_rows // 2), table)
    return map_in_arrow(together, link, _UIDS)
