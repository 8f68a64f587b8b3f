"""Embeddings of the rows of a table, computed on executors."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.id_counts import repeated_hashes
from spark_jobs.core.schemas import EMBEDDINGS, FAULT, ITEM_HASH
from udfs.arrow import Batches, BatchFunction
from udfs.models.embedding import embed_with_model
from udfs.models.loading import Modality
from udfs.models.spec import ModelSpec
from udfs.vectors import vector_lists

_ITEM, _DISTINCT_ITEM, _DISTINCT_HASH = "_item", "_text", "_hash"
_INPUT_FAULT = "_input_fault"  # of a row without item
_FEWEST_COPIES = 1_000  # copies below which an item is never treated as frequent
_TASK_FRACTION = 4  # an item is frequent if its copies are at least 1/4 of a task's rows


def with_item_hash(
    rows: DataFrame, keys: Sequence[str], item: str, *, keeps_faults: bool = False
) -> DataFrame:
    """The keys, the item as column _item, and its hash, by which later runs detect a change.

    `keeps_faults`: null items keep the fault that they have in the rows' column `fault`.
    """
    content = named(item)
    if item == FAULT or not (keeps_faults and _has_faults(rows)):
        return rows.select(*keys, content.alias(_ITEM), F.xxhash64(content).alias(ITEM_HASH))
    fault = F.when(content.isNull(), F.col(FAULT))
    item_hash = F.xxhash64(content, fault)  # xxhash64 passes over nulls: an item's hash is its own
    return rows.select(
        *keys, content.alias(_ITEM), item_hash.alias(ITEM_HASH), fault.alias(_INPUT_FAULT)
    )


def _has_faults(rows: DataFrame) -> bool:
    return FAULT in rows.columns and isinstance(rows.schema[FAULT].dataType, StringType)


def frequent_items(rows: DataFrame, rows_per_task: int) -> list[int]:
    """The hashes of items that have too many copies for one task, ascending.

    One pass over the hashes. There are at most _TASK_FRACTION of them per task.
    """
    at_least = max(_FEWEST_COPIES, rows_per_task // _TASK_FRACTION)
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
    """Embed the rows of `with_item_hash`: their keys and the columns of schemas.EMBEDDINGS.

    Texts are partitioned by their hash and sorted by length, so that each distinct text is embedded
    once, in batches of equal length; images stay in their partitions. So do texts with a hash in
    `frequent`: one copy of each is embedded, and its vector broadcast to the others. A row without
    a vector has the reason in `fault`. `weights`: the digest of the model's files.
    """
    if modality == "image":
        return _with_vectors(rows, spec, modality, weights)
    if not frequent:
        return _with_vectors(_by_length(rows, n_tasks), spec, modality, weights)
    schema = StructType([StructField(ITEM_HASH, LongType())])
    hash_rows = [(item_hash,) for item_hash in frequent]
    hashes = F.broadcast(rows.sparkSession.createDataFrame(hash_rows, schema))
    others = rows.join(hashes, on=ITEM_HASH, how="left_anti").select(*map(named, rows.columns))
    copies = rows.join(hashes, on=ITEM_HASH, how="left_semi")
    texts = copies.select(
        F.col(ITEM_HASH).alias(_DISTINCT_HASH), _ITEM, F.col(_ITEM).alias(_DISTINCT_ITEM)
    )
    distinct_texts = _by_length(texts.distinct(), n_tasks, _DISTINCT_HASH)
    vectors = _with_vectors(distinct_texts, spec, modality, weights)
    has_same_hash = F.col(ITEM_HASH) == F.col(_DISTINCT_HASH)
    is_same = has_same_hash & F.col(_ITEM).eqNullSafe(F.col(_DISTINCT_ITEM))
    with_copied = copies.join(F.broadcast(vectors), on=is_same)
    embedded_copies = with_copied.drop(_DISTINCT_HASH, _DISTINCT_ITEM, _ITEM)
    embedded_others = _with_vectors(_by_length(others, n_tasks), spec, modality, weights)
    return embedded_others.unionByName(embedded_copies)


def _by_length(rows: DataFrame, n_tasks: int, item_hash: str = ITEM_HASH) -> DataFrame:
    """Partition texts by their hash, and sort each partition by length, equal texts adjacent."""
    partitioned = rows.repartition(n_tasks, item_hash)
    return partitioned.sortWithinPartitions(F.length(_ITEM), item_hash, _ITEM)


def _with_vectors(rows: DataFrame, spec: ModelSpec, modality: Modality, weights: str) -> DataFrame:
    """Replace the item by its embedding, model, weights and fault; all other columns stay."""
    other_columns = rows.drop(_ITEM)
    schema = StructType([*other_columns.schema, *EMBEDDINGS.fields[1:]])
    function = _embed_function(other_columns.columns, spec, modality, weights)
    vectors = map_in_arrow(rows, function, schema)
    if _INPUT_FAULT not in vectors.columns:
        return vectors
    fault = F.coalesce(_INPUT_FAULT, FAULT)
    return vectors.withColumn(FAULT, fault).drop(_INPUT_FAULT)


def _embed_function(
    other_columns: Sequence[str], spec: ModelSpec, modality: Modality, weights: str
) -> BatchFunction:
    def embed_batches(batches: Batches) -> Iterator[pa.RecordBatch]:
        for rows, vectors, faults in embed_with_model(spec, modality, batches, _ITEM):
            n = rows.num_rows
            columns = [
                *(rows[name].combine_chunks() for name in other_columns),
                vector_lists(vectors, faults.is_null()),
                pa.array([spec.label] * n, pa.string()),
                pa.array([weights] * n, pa.string()),
                faults,
            ]
            yield pa.RecordBatch.from_arrays(columns, [*other_columns, *EMBEDDINGS.names[1:]])

    return embed_batches
