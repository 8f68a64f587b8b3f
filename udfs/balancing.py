"""Kernels of balancing, on Arrow lists of entry ids."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.arrow import Batches
from udfs.id_counts import as_text, packed
from udfs.task_errors import TaskInputError
from udfs.tasks import task_number

ENTRY_IDS = "entry_ids"  # the column
TOO_MUCH = "-"  # no base64
_SPARSE = 4  # ids up to so many times those of a batch are counted one by one, not as a vector


def flat_ids(entry_ids: pa.ListArray, n_entries: int | None = None) -> NDArray[np.int32]:
    """The ids of all lists, one after another; a null list has none.

    Raises TaskInputError where one is null, negative, or not below `n_entries`.
    """
    flat = entry_ids.flatten()
    if flat.null_count:
        raise TaskInputError("entry_ids: a list holds a null, expected ids of entries, 0 or more")
    ids = np.asarray(flat)
    lowest, highest = int(ids.min(initial=0)), int(ids.max(initial=-1))
    if lowest < 0:
        raise TaskInputError(f"entry_ids: found {lowest}, expected ids of entries, 0 or more")
    if n_entries is not None and highest >= n_entries:
        raise TaskInputError(
            f"entry_ids: found {highest}, but there are {n_entries} entries, 0 to {n_entries - 1}: "
            "expected the entry counts of the bank that was matched"
        )
    return ids


def keep_probability(
    entry_ids: pa.ListArray, match_probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    """1 - prod(1 - p) for each list of ids, shape (n_rows,); an empty or null list gives 0.

    Raises TaskInputError where an id is none of the entries.
    """
    ids = flat_ids(entry_ids, match_probability.size)
    sizes = pc.list_value_length(entry_ids).fill_null(0).to_numpy()
    filled = np.flatnonzero(sizes)
    kept = np.zeros(len(entry_ids))
    if filled.size:
        starts = np.cumsum(sizes) - sizes
        kept[filled] = 1.0 - np.multiply.reduceat(1.0 - match_probability[ids], starts[filled])
    return kept


class EntryCounter:
    """Counts of each entry id over the batches of a task; grows to the largest id seen."""

    def __init__(self) -> None:
        self._counts = np.zeros(0, np.int64)

    def add(self, entry_ids: pa.ListArray) -> None:
        """Count the ids of a batch of lists; TaskInputError where one is that of no entry."""
        ids = flat_ids(entry_ids)
        size = int(ids.max(initial=-1)) + 1
        if size > self._counts.size:
            self._counts.resize(max(size, 2 * self._counts.size), refcheck=False)
        if size > _SPARSE * ids.size:
            np.add.at(self._counts, ids, 1)
        else:
            self._counts[:size] += np.bincount(ids, minlength=size)

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The ids seen, ascending, and how often."""
        seen = np.flatnonzero(self._counts)
        return seen, self._counts[seen]


def count_in_task(batches: Batches) -> Iterator[pa.RecordBatch]:
    """The packed counts of all ids in the lists of the column entry_ids, for mapInArrow."""
    counter = EntryCounter()
    for batch in batches:
        counter.add(batch.column(ENTRY_IDS))
    yield packed(*counter.counts())


def count_along(batches: Batches, *, key: str, most_bytes: int) -> Iterator[pa.RecordBatch]:
    """The batches, and at the end a row without entry_ids, which no other row is.

    In its string column `key` it has the counts of all ids in entry_ids as text, or TOO_MUCH where
    the texts of so many tasks could be more than `most_bytes`.
    """
    counter, schema = EntryCounter(), None
    for batch in batches:
        counter.add(batch.column(ENTRY_IDS))
        schema = batch.schema
        yield batch
    if schema is not None:
        text = as_text(*counter.counts())
        told = text if (task_number() + 1) * len(text) <= most_bytes else TOO_MUCH
        row = [pa.array([told] if f.name == key else [None], f.type) for f in schema]
        yield pa.RecordBatch.from_arrays(row, schema=schema)


class SmallestDraws:
    """Over the batches of a task, for each entry the `wanted` captions with the lowest draws."""

    def __init__(self, wanted: NDArray[np.int64]) -> None:
        self._wanted = wanted
        self._rows = pa.table(
            {
                "entry_id": pa.array([], pa.int32()),
                "draw": pa.array([], pa.float64()),
                "uid": pa.array([], pa.string()),
            }
        )

    def add(self, entry_ids: pa.ListArray, draws: pa.DoubleArray, uids: pa.StringArray) -> None:
        """Take in a batch of captions, each with its entries, its draw and its uid."""
        ids = np.asarray(entry_ids.flatten())
        row_of_id = np.asarray(pc.list_parent_indices(entry_ids))
        wanted = np.flatnonzero(self._wanted[ids] > 0)
        rows = pa.array(row_of_id[wanted])
        fresh = {
            "entry_id": pa.array(ids[wanted]),
            "draw": draws.take(rows),
            "uid": uids.take(rows),
        }
        self._rows = self._lowest(pa.concat_tables([self._rows, pa.table(fresh)]))

    def rows(self) -> pa.Table:
        """entry_id, draw, uid; by entry, ascending draws, ties by uid."""
        return self._rows

    def _lowest(self, rows: pa.Table) -> pa.Table:
        ordered = rows.sort_by([(name, "ascending") for name in rows.column_names])
        ids = ordered["entry_id"].to_numpy()
        first = np.searchsorted(ids, ids)
        return ordered.filter(pa.array(np.arange(ids.size) - first < self._wanted[ids]))
