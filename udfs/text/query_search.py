"""Evaluate boolean queries on a task's captions: the rows that they hold for, or their counts."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.compiled import one_compiles
from udfs.text.boolean_match import Programs, match_queries
from udfs.text.lists import rows_of


def find_queries(
    find_phrases: Callable[[pa.Array], pa.ListArray],
    programs: Programs,
    labels: Sequence[pa.StringArray],
    *,
    caption: str,
    names: Sequence[str],
    compiles: str,
) -> BatchFunction:
    """For mapInArrow: rows with a `caption` -> a row per row and query that holds for it.

    `find_phrases`: captions -> ids of their phrases. `labels`: (n_queries,) each, put before the
    columns of the row as `names`. `compiles`: name of the kernels that a worker compiles first.
    """

    def search(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles(compiles):
            match_queries(find_phrases(pa.array([], pa.string())), programs)
        for batch in batches:
            query_ids = match_queries(find_phrases(batch.column(caption)), programs)
            rows = pa.array(rows_of(query_ids))
            columns = [column.take(rows) for column in batch]
            added = [label.take(query_ids.values) for label in labels]
            yield pa.RecordBatch.from_arrays([*added, *columns], [*names, *batch.schema.names])

    return search


def sum_weights_by_query(
    find_phrases: Callable[[pa.Array], pa.ListArray],
    programs: Programs,
    *,
    names: Sequence[str],
    compiles: str,
) -> BatchFunction:
    """For mapInArrow: caption, weight -> number of a query, sum of the weights where it holds.

    Only queries whose sum is not 0; `names`: of the two columns. `find_phrases`, `compiles`: as in
    `find_queries`.
    """

    def sum_in_task(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles(compiles):
            match_queries(find_phrases(pa.array([], pa.string())), programs)
        sums = np.zeros(programs.ends.size - 1, np.int64)
        for batch in batches:
            query_ids = match_queries(find_phrases(batch.column(0)), programs)
            weights = batch.column(1).to_numpy()[rows_of(query_ids)]
            np.add.at(sums, query_ids.values.to_numpy(), weights)
        counted_ids = np.flatnonzero(sums).astype(np.int32)
        columns = [pa.array(counted_ids), pa.array(sums[counted_ids])]
        yield pa.RecordBatch.from_arrays(columns, names)

    return sum_in_task
