"""Balance a task's matches: keep probabilities, kept rows, expected sums and lowest draws.

Batches have a column entry_ids, a list of ids per row; other columns are named by the caller.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.balancing import ENTRY_IDS, SmallestDraws, keep_probability
from udfs.uniform_draws import uniform

_ENTRY_ID = "entry_id"  # column of SmallestDraws.rows


def add_keep_probability(
    match_probability: NDArray[np.float64], *, probability: str
) -> BatchFunction:
    """For mapInArrow: the rows with a column `probability`, their keep probability.

    `match_probability`: (n_entries,).
    """

    def add(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            kept = keep_probability(batch.column(ENTRY_IDS), match_probability)
            names = [*batch.schema.names, probability]
            yield pa.RecordBatch.from_arrays([*batch, pa.array(kept)], names)

    return add


def keep_by_draw(match_probability: NDArray[np.float64], *, draw: str) -> BatchFunction:
    """For mapInArrow: the rows whose draw is below their keep probability, without column `draw`.

    `match_probability`: (n_entries,).
    """

    def keep(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            probability = keep_probability(batch.column(ENTRY_IDS), match_probability)
            kept = batch.filter(pa.array(batch.column(draw).to_numpy() < probability))
            yield kept.select([name for name in kept.schema.names if name != draw])

    return keep


def mark_kept(
    match_probability: NDArray[np.float64], *, purpose: str, uid: str, seed: int, kept: str
) -> BatchFunction:
    """For mapInArrow: the rows with a column `kept`, whether `keep_by_draw` keeps them.

    `match_probability`: (n_entries,). `purpose`, `seed`: of the draw of each `uid`.
    """

    def mark(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            probability = keep_probability(batch.column(ENTRY_IDS), match_probability)
            is_kept = uniform(purpose, batch.column(uid), seed) < probability
            names = [*batch.schema.names, kept]
            yield pa.RecordBatch.from_arrays([*batch, pa.array(is_kept)], names)

    return mark


def sum_expected(
    probabilities: Mapping[int, NDArray[np.float64]],
    *,
    n_rows: str,
    n_bytes: str,
    names: Sequence[str],
) -> BatchFunction:
    """For mapInArrow: a row per t, what a task's rows are expected to give at it.

    `probabilities`: t -> match probability of each entry, (n_entries,). Columns that a row may
    have: `n_rows`, the captions that it stands for (else 1), and `n_bytes`, their size (else 0).
    Gives t and the expected captions, matches and bytes, and the sum of match probabilities
    (draws won), called `names`.
    """

    def sum_in_task(batches: Batches) -> Iterator[pa.RecordBatch]:
        sums = np.zeros((len(probabilities), 4))
        for batch in batches:
            entry_ids = batch.column(ENTRY_IDS)
            ids, n_ids = np.asarray(entry_ids.flatten()), pc.list_value_length(entry_ids)
            captions = _column_or(batch, n_rows, default=1.0)
            n_matches = n_ids.fill_null(0).to_numpy() * (captions > 0)
            weights = [captions, n_matches, _column_or(batch, n_bytes, default=0.0)]
            for k, match_probability in enumerate(probabilities.values()):
                kept = keep_probability(entry_ids, match_probability)
                draws_won = match_probability[ids].sum()
                sums[k] += [*(kept @ weight for weight in weights), draws_won]
        columns = [pa.array(probabilities, pa.int64()), *map(pa.array, sums.T)]
        yield pa.RecordBatch.from_arrays(columns, names)

    return sum_in_task


def _column_or(batch: pa.RecordBatch, name: str, *, default: float) -> NDArray[np.float64]:
    if name not in batch.schema.names:
        return np.full(batch.num_rows, default)
    return np.asarray(batch.column(name), np.float64)


def lowest_draws(
    n_missing: NDArray[np.int64], *, draw: str, uid: str, missing: str
) -> BatchFunction:
    """For mapInArrow: entry_id, draw, uid of the `n_missing` lowest draws of each entry in a task.

    `n_missing`: captions that each entry lacks, (n_entries,); also given, as column `missing`.
    """

    def select_lowest(batches: Batches) -> Iterator[pa.RecordBatch]:
        smallest = SmallestDraws(n_missing)
        for batch in batches:
            smallest.add(batch.column(ENTRY_IDS), batch.column(draw), batch.column(uid))
        candidates = smallest.rows()
        missing_of_entry = pa.array(n_missing[candidates[_ENTRY_ID].to_numpy()], pa.int64())
        yield from candidates.append_column(missing, missing_of_entry).to_batches()

    return select_lowest
