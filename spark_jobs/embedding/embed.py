"""Embeddings of the rows of a table, computed on executors."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.columns import named
from spark_jobs.schemas import EMBEDDINGS, ITEM_HASH
from udfs.arrow import Batches, BatchFunction
from udfs.models.embedding import embedded_by
from udfs.models.loading import Modality
from udfs.models.spec import ModelSpec
from udfs.vectors import vector_lists

_ITEM = "_item"


def with_hash(rows: DataFrame, keys: Sequence[str], item: str) -> DataFrame:
    """The keys, the item in the column _item, and a hash by which a later run knows it again."""
    content = named(item)
    return rows.select(*keys, content.alias(_ITEM), F.xxhash64(content).alias(ITEM_HASH))


def embed(
    rows: DataFrame,
    spec: ModelSpec,
    modality: Modality,
    *,
    weights: str,
    n_tasks: int,
) -> DataFrame:
    """schemas.EMBEDDINGS beside the keys of the rows of `with_hash`.

    Texts are brought together by their hash and sorted by length, so that each distinct one is
    embedded once, in batches of equal length; images stay in their partitions. A row without a
    vector has the reason in `fault`. `weights`: the digest of the model's files.
    """
    if modality == "text":
        rows = rows.repartition(n_tasks, ITEM_HASH)
        rows = rows.sortWithinPartitions(F.length(_ITEM), ITEM_HASH, _ITEM)
    kept = rows.drop(_ITEM)
    columns = StructType([*kept.schema, *EMBEDDINGS.fields[1:]])
    return rows.mapInArrow(_embedding(kept.columns, spec, modality, weights), columns)


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
