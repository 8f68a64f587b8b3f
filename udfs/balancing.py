"""Kernels of balancing on Arrow lists of entry ids (MetaCLIP, Xu et al. 2023)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.id_counts import IdPacker, Kind, pack_counts
from udfs.task_errors import TaskInputError

ENTRY_IDS = "entry_ids"  # the column
ENTRIES, ROWS, KEYS = range(3)  # kinds of ids that are counted together
# Which ids of each kind are kept; of keys, whether one repeats.
KINDS = (Kind(), Kind(at_least=0), Kind(at_least=2, most=1))
MOST_ENTRIES = 1 << 27  # of a bank: each task holds a vector of their counts
_SPARSE = 4  # np.add.at, not bincount, if the largest id exceeds 4x the number of ids in the batch
_LEAST_PRUNED = 1 << 18  # candidates of SmallestDraws below which none are pruned


def flat_ids(entry_ids: pa.ListArray, n_entries: int | None = None) -> NDArray[np.int32]:
    """Concatenate the ids of all lists; a null list has none.

    Raises TaskInputError if an id is null, negative, or not below `n_entries`.
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

    Raises TaskInputError if an id is not below the number of entries.
    """
    ids = flat_ids(entry_ids, match_probability.size)
    sizes = pc.list_value_length(entry_ids).fill_null(0).to_numpy()
    non_empty = np.flatnonzero(sizes)  # reduceat gives wrong products for empty lists
    probability = np.zeros(len(entry_ids))
    if non_empty.size:
        starts = np.cumsum(sizes) - sizes
        all_missed = np.multiply.reduceat(1.0 - match_probability[ids], starts[non_empty])
        probability[non_empty] = 1.0 - all_missed
    return probability


class EntryCounter:
    """Counts each entry id over the batches of a task; grows to the largest id."""

    def __init__(self) -> None:
        self._counts = np.zeros(0, np.int64)

    def add(self, entry_ids: pa.ListArray) -> None:
        """Count the ids of a batch of lists; TaskInputError if one cannot be an entry id."""
        ids = flat_ids(entry_ids)
        size = int(ids.max(initial=-1)) + 1
        if size > MOST_ENTRIES:
            raise TaskInputError(
                f"entry_ids: found {size - 1}, expected ids of entries, fewer than {MOST_ENTRIES:,}"
            )
        if size > self._counts.size:
            self._counts.resize(max(size, 2 * self._counts.size), refcheck=False)
        if size > _SPARSE * ids.size:
            np.add.at(self._counts, ids, 1)
        else:
            self._counts[:size] += np.bincount(ids, minlength=size)

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The ids that occurred, ascending, and their counts."""
        counted_ids = np.flatnonzero(self._counts)
        return counted_ids, self._counts[counted_ids]


def count_in_task(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: count all ids in the column entry_ids, and yield the packed counts."""
    counter = EntryCounter()
    for batch in batches:
        counter.add(batch.column(ENTRY_IDS))
    yield pack_counts(*counter.counts())


def count_entries_and_rows(*, key: str | None = None, kept: str | None = None) -> BatchFunction:
    """For mapInArrow: count the ids in the column entry_ids and the rows that have any.

    Packed counts of two kinds, or three. ENTRIES: rows of each entry id, of those alone where the
    column `kept` is true. ROWS: all rows (id 0) and rows with an entry (id 1). KEYS: each value of
    the int64 column `key`.
    """

    def count(batches: Batches) -> Iterator[pa.RecordBatch]:
        counter, row_counts, key_packer = EntryCounter(), np.zeros(2, np.int64), IdPacker(KEYS)
        for batch in batches:
            entry_ids = batch.column(ENTRY_IDS)
            counter.add(entry_ids if kept is None else entry_ids.filter(batch.column(kept)))
            row_counts += [len(entry_ids), count_non_empty(entry_ids)]
            if key is not None:
                yield from key_packer.add(batch.column(key))
        yield from key_packer.flush()
        yield pack_counts(*counter.counts(), kind=ENTRIES)
        yield pack_counts(np.arange(2), row_counts, kind=ROWS)

    return count


def pack_keys(key: str) -> BatchFunction:
    """For mapInArrow: of kind KEYS each value of the int64 column `key`."""

    def pack(batches: Batches) -> Iterator[pa.RecordBatch]:
        packer = IdPacker(KEYS)
        for batch in batches:
            yield from packer.add(batch.column(key))
        yield from packer.flush()

    return pack


def count_non_empty(entry_ids: pa.ListArray) -> int:
    """The number of lists with an id."""
    return int(np.count_nonzero(pc.list_value_length(entry_ids).fill_null(0)))


class SmallestDraws:
    """For each entry, the `wanted` captions of a task with the lowest draws.

    Candidates are pruned whenever there are twice as many as the last pruning left, so that sorting
    costs the same per row however many stay. Pruning also gives a bound for each entry that has all
    the captions it wants: larger draws are skipped at once. Memory: the candidates of one batch and
    at most max(2 * wanted.sum(), 2**18) more, of 20 bytes each, and their uids.
    """

    def __init__(self, wanted: NDArray[np.int64], *, least: int = _LEAST_PRUNED) -> None:
        self._wanted = wanted
        self._least = least  # candidates below which none are pruned
        self._bound = np.where(wanted > 0, np.inf, -np.inf)  # draws above it cannot stay
        self._candidates = [_Candidates.none()]
        self.n_candidates = 0
        self._prune_at = least

    def add(self, entry_ids: pa.ListArray, draws: pa.DoubleArray, uids: pa.StringArray) -> None:
        """Add a batch of captions, each with its entries, its draw and its uid."""
        ids = np.asarray(entry_ids.flatten())
        rows = np.asarray(pc.list_parent_indices(entry_ids))
        draw_of_id = draws.to_numpy(zero_copy_only=False)[rows]
        could_stay = np.flatnonzero(draw_of_id <= self._bound[ids])
        if not could_stay.size:
            return
        candidate_rows, uid = np.unique(rows[could_stay], return_inverse=True)
        row_uids = uids.take(pa.array(candidate_rows))
        self._candidates.append(_Candidates(ids[could_stay], draw_of_id[could_stay], uid, row_uids))
        self.n_candidates += could_stay.size
        if self.n_candidates >= self._prune_at:
            self._prune()

    def rows(self) -> pa.Table:
        """Columns entry_id, draw, uid, sorted by entry, draw and uid."""
        self._prune()
        [lowest] = self._candidates
        columns = {"entry_id": lowest.entry, "draw": lowest.draw, "uid": lowest.uids_in_order()}
        return pa.table(columns)

    def _prune(self) -> None:
        """Keep each entry's `wanted` candidates of lowest draw (ties: uid); lower its bound."""
        candidates = _Candidates.joined(self._candidates).ordered()
        starts = np.flatnonzero(np.diff(candidates.entry, prepend=-1))
        sizes = np.diff(starts, append=candidates.entry.size)
        rank = np.arange(candidates.entry.size) - np.repeat(starts, sizes)
        wanted = self._wanted[candidates.entry]
        is_last = rank == wanted - 1
        self._bound[candidates.entry[is_last]] = candidates.draw[is_last]
        lowest = candidates.at(np.flatnonzero(rank < wanted))
        self._candidates, self.n_candidates = [lowest], lowest.entry.size
        self._prune_at = max(2 * self.n_candidates, self._least)


class _Candidates(NamedTuple):
    """Entries, draws and indices `uid`, each (n,), into `uids`, which holds each caption once."""

    entry: NDArray[np.int32]
    draw: NDArray[np.float64]
    uid: NDArray[np.int64]
    uids: pa.StringArray

    @classmethod
    def none(cls) -> "_Candidates":
        no_index = np.zeros(0, np.int64)
        return cls(np.zeros(0, np.int32), np.zeros(0), no_index, pa.array([], pa.string()))

    @classmethod
    def joined(cls, parts: Sequence["_Candidates"]) -> "_Candidates":
        """Concatenate the candidates of all parts."""
        starts = np.cumsum([0, *(len(part.uids) for part in parts)])
        return cls(
            np.concatenate([part.entry for part in parts]),
            np.concatenate([part.draw for part in parts]),
            np.concatenate([part.uid + start for part, start in zip(parts, starts, strict=False)]),
            pa.concat_arrays([part.uids for part in parts]),
        )

    def ordered(self) -> "_Candidates":
        """Sort by entry, draw and uid; uids are compared only where entry and draw are equal."""
        order = np.lexsort((self.draw, self.entry))
        entry, draw = self.entry[order], self.draw[order]
        is_tied = (np.diff(entry) == 0) & (np.diff(draw) == 0)
        tied = np.flatnonzero(np.r_[is_tied, False] | np.r_[False, is_tied])
        if tied.size:
            uids = self.uids.take(pa.array(self.uid[order[tied]]))
            keys = pa.table({"entry": entry[tied], "draw": draw[tied], "uid": uids})
            by_uid = pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names])
            order[tied] = order[tied][by_uid.to_numpy()]
        return _Candidates(entry, draw, self.uid[order], self.uids)

    def at(self, kept: NDArray[np.int64]) -> "_Candidates":
        """The candidates at the indices `kept`, with only their uids."""
        used, uid = np.unique(self.uid[kept], return_inverse=True)
        uids = self.uids.take(pa.array(used))
        return _Candidates(self.entry[kept], self.draw[kept], uid, uids)

    def uids_in_order(self) -> pa.StringArray:
        """The uid of each candidate."""
        return self.uids.take(pa.array(self.uid))
