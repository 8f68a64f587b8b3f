"""Embeddings of the rows of a table, computed on executors."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.id_counts import repeated_hashes
from spark_jobs.core.schemas import EMBEDDINGS, ITEM_HASH
from udfs.arrow import Batches, BatchFunction
from udfs.models.embedding import embedded_by
from udfs.models.loading import Modality
from udfs.models.spec import ModelSpec
from udfs.vectors import vector_lists

_ITEM, _TEXT, _HASH = "_item", "_text", "_hash"
_FEWEST_COPIES = 1_000  # below which an item is not worth a plan of its own
_SHARE_OF_TASK = 4  # an item with this part of a task's rows has its copies spread


def with_hash(rows: DataFrame, keys: Sequence[str], item: str) -> DataFrame:
    """The keys, the item in the column _item, and a hash by which a later run knows it again."""
    content = named(item)
    return rows.select(*keys, content.alias(_ITEM), F.xxhash64(content).alias(ITEM_HASH))


def frequent_items(rows: DataFrame, rows_per_task: int) -> list[int]:
    """The hashes of items whose copies would be too many for one task, ascending.

    One pass over the hashes. There are at most four of them for each task.
    """
    at_least = max(_FEWEST_COPIES, rows_per_task // _SHARE_OF_TASK)
    hashes = repeated_hashes(rows, F.col(ITEM_HASH), at_least=at_least).collect()
    return sorted(row[0] for row in hashes)


def embed(
    rows: DataFrame,
    spec: ModelSpec,
    modality: Modality,
    *,
    weights: str,
    n_tasks: int,
    frequent: Sequence[int] = (),
) -> DataFrame:
    """schemas.EMBEDDINGS beside the keys of the rows of `with_hash`.

    Texts are brought together by their hash and sorted by length, so that each distinct one is
    embedded once, in batches of equal length; images stay in their partitions. Copies of the texts
    with the hashes `frequent` stay there too, and get the vector that was made of one of them. A
    row without a vector has the reason in `fault`. `weights`: the digest of the model's files.
    """
    if modality == "image":
        return _with_vectors(rows, spec, modality, weights)
    if not frequent:
        return _with_vectors(_by_length(rows, n_tasks), spec, modality, weights)
    schema = StructType([StructField(ITEM_HASH, LongType())])
    listed = F.broadcast(rows.sparkSession.createDataFrame([(k,) for k in frequent], schema))
    others = rows.join(listed, on=ITEM_HASH, how="left_anti").select(*map(named, rows.columns))
    copies = rows.join(listed, on=ITEM_HASH, how="left_semi")
    texts = copies.select(F.col(ITEM_HASH).alias(_HASH), _ITEM, F.col(_ITEM).alias(_TEXT))
    distinct = _by_length(texts.distinct(), n_tasks, _HASH)
    vectors = _with_vectors(distinct, spec, modality, weights)
    is_same = (F.col(ITEM_HASH) == F.col(_HASH)) & F.col(_ITEM).eqNullSafe(F.col(_TEXT))
    spread = copies.join(F.broadcast(vectors), on=is_same).drop(_HASH, _TEXT, _ITEM)
    return _with_vectors(_by_length(others, n_tasks), spec, modality, weights).unionByName(spread)


def _by_length(rows: DataFrame, n_tasks: int, item_hash: str = ITEM_HASH) -> DataFrame:
    """Equal texts side by side, beside those of about their length."""
    together = rows.repartition(n_tasks, item_hash)
    return together.sortWithinPartitions(F.length(_ITEM), item_hash, _ITEM)


def _with_vectors(rows: DataFrame, spec: ModelSpec, modality: Modality, weights: str) -> DataFrame:
    """The columns of the rows but the item, and what was made of it."""
    kept = rows.drop(_ITEM)
    columns = StructType([*kept.schema, *EMBEDDINGS.fields[1:]])
    return map_in_arrow(rows, _embedding(kept.columns, spec, modality, weights), columns)


def _embedding(
    kept: Sequence[str], spec: ModelSpec, modality: Modality, weights: str
) -> BatchFunction:
    def embed_batches(batches: Batches) -> Iterator[pa.RecordBatch]:
        for rows, vectors, faults in embedded_by(spec, modality, batches, _ITEM):
            n = rows.num_rows
            columns = [
                *(rows[name].combine_chunks() for name in kept),
                vector_lists(vectors, faults.is_null()),
                pa.array([spec.label] * n, pa.string()),
                pa.array([weights] * n, pa.string()),
                faults,
            ]
            yield pa.RecordBatch.from_arrays(columns, [*kept, *EMBEDDINGS.names[1:]])

    return embed_batches
