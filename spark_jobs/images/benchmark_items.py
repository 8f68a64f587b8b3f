"""Items of benchmark sets, to be found near the rows of a corpus: hashes and vectors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import BENCHMARK, EMBEDDING, ITEM, VALUE
from spark_jobs.core.unions import union_all
from spark_jobs.images.components import NODE
from spark_jobs.images.near_pairs import by_bands
from udfs.arrow import Batches, BatchFunction
from udfs.hamming_search import nearest_in_bands
from udfs.similar_vectors import most_similar_items

_MOST_BLOCK_BYTES = 32 << 20  # item vectors of one function, held by each task


@dataclass(frozen=True)
class Items:
    """Vectors of several benchmarks, on the driver, in the order of benchmarks and of their names.

    values: (n, dimension); items: their names; benchmarks: the names of the
    benchmarks; sets: (n,), the index of each item's benchmark.
    """

    values: NDArray[Any]
    items: pa.StringArray
    sets: NDArray[np.int64]
    benchmarks: list[str]

    @classmethod
    def of(cls, parts: dict[str, tuple[pa.ChunkedArray, NDArray[Any]]]) -> "Items":
        """The items of benchmarks: name -> (names of the items, their values)."""
        order = [pc.sort_indices(names).to_numpy() for names, _ in parts.values()]
        names = [n.take(pa.array(o)) for (n, _), o in zip(parts.values(), order, strict=True)]
        chunks = [chunk.cast(pa.string()) for name in names for chunk in name.chunks]
        return cls(
            np.concatenate([v[o] for (_, v), o in zip(parts.values(), order, strict=True)]),
            pa.chunked_array(chunks, pa.string()).combine_chunks(),
            np.repeat(np.arange(len(parts)), [len(name) for name in names]),
            [*parts],
        )


def found_by_hash(
    rows: DataFrame, items: DataFrame, keys: StructType, *, distance: int
) -> DataFrame:
    """The nearest item of each benchmark within the distance of a row's hash: keys, then FOUND.

    rows: keys and node, the hash. items: benchmark, item and node. Of equally near items the first
    by name. Distinct hashes of both go to the tasks of their bands, see udfs.hamming.
    """
    none = F.lit(None).cast("string")
    hashed = rows.where(F.col(NODE).isNotNull())
    queries = hashed.select(NODE).distinct().select(NODE, none.alias(BENCHMARK), none.alias(ITEM))
    both = union_all([queries, items.select(NODE, BENCHMARK, ITEM)])
    columns = _with_found(StructType([StructField(NODE, LongType())]))
    near = map_in_arrow(by_bands(both, distance=distance), nearest_in_bands(distance), columns)
    best = near.groupBy(NODE, BENCHMARK).agg(F.min(F.struct(VALUE, ITEM)).alias("best"))
    return hashed.join(best, on=NODE, how="inner").select(
        *map(named, keys.names),
        BENCHMARK,
        *(F.col("best").getField(name).alias(name) for name in (ITEM, VALUE)),
    )


def found_by_vector(
    rows: DataFrame, items: Items, keys: StructType, *, threshold: float, n_rows: int, table: str
) -> DataFrame:
    """The item of each benchmark of largest inner product, above the threshold: keys, then FOUND.

    rows: keys and embedding, of `table`, n_rows in all. Of equal products the first by name. One
    pass over the rows for each 32 MiB of the items' vectors.
    """
    block_size = max(1, _MOST_BLOCK_BYTES // (4 * items.values.shape[1]))
    vectors = rows.where(F.col(EMBEDDING).isNotNull()).select(*map(named, keys.names), EMBEDDING)
    starts = range(0, len(items.items), block_size)
    passes = [
        map_in_arrow(
            vectors,
            _vector_search(items, slice(start, start + block_size), threshold, n_rows, table),
            _with_found(keys),
        )
        for start in starts
    ]
    if len(passes) == 1:
        return passes[0]
    by = [*map(named, keys.names), F.col(BENCHMARK)]
    best = F.min(F.struct((-F.col(VALUE)).alias("smallest"), F.col(ITEM))).alias("best")
    found = union_all(passes).groupBy(*by).agg(best)
    return found.select(*by, F.col("best.item").alias(ITEM), (-F.col("best.smallest")).alias(VALUE))


def _vector_search(
    items: Items, block: slice, threshold: float, n_rows: int, table: str
) -> BatchFunction:
    n_sets, benchmarks, names = len(items.benchmarks), items.benchmarks, items.items[block]
    search = most_similar_items(
        items.values[block], items.sets[block], n_sets, threshold, n_rows, table
    )
    sets = items.sets[block]

    def find(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in search(batches):
            item, value = (batch.column(name).to_numpy() for name in ("item", "value"))
            every = np.arange(batch.num_rows)
            keys = pa.RecordBatch.from_arrays(batch.columns[:-1], batch.schema.names[:-1])
            yield _found(keys, every, sets[item], item, value, names, benchmarks)

    return find


def _with_found(keys: StructType) -> StructType:
    columns = {BENCHMARK: StringType(), ITEM: StringType(), VALUE: DoubleType()}
    found = StructType([*keys.fields])
    for name, column_type in columns.items():
        found = found.add(name, column_type)
    return found


def _found(
    batch: pa.RecordBatch,
    row: NDArray[np.int64],
    group: NDArray[np.int64],
    item: NDArray[np.int64],
    value: NDArray[np.generic],
    names: pa.StringArray,
    benchmarks: list[str],
) -> pa.RecordBatch:
    """The key columns of the batch at `row`, with benchmark, item and value."""
    kept_keys = [column.take(pa.array(row)) for column in batch.columns[:-1]]
    found = {
        BENCHMARK: pa.array(benchmarks, pa.string()).take(pa.array(group)),
        ITEM: names.take(pa.array(item)),
        VALUE: pa.array(value.astype(np.float64)),
    }
    key_names = batch.schema.names[:-1]
    return pa.RecordBatch.from_arrays([*kept_keys, *found.values()], [*key_names, *found])
