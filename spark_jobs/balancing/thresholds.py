"""The threshold t: from a share of the tail, per language, or for a number of rows.

MetaCLIP 2 (Chuang et al. 2025, section 3.3) keeps one share of the tail over all languages: t of
English gives the share, the share gives every other language its t.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.balancing.keep import match_probability
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import CAPTION_BYTES, CAPTION_ROWS, ENTRY_IDS, EXPECTED, T
from udfs.arrow import Batches, BatchFunction
from udfs.balancing import keep_probability

_CANDIDATES = 17
_CLOSE_ENOUGH = 1e-3  # of the wished number of rows


def tail_fraction_at(entry_counts: NDArray[np.int64], *, t: int) -> float:
    """Share (0-1) of all matches that lies in entries with a count below t; nan without matches."""
    total = entry_counts.sum()
    return float(entry_counts[entry_counts < t].sum() / total) if total else float("nan")


def t_at_tail_fraction(entry_counts: NDArray[np.int64], *, tail_fraction: float) -> int:
    """The count up to which the entries, rarest first, hold a share closest to `tail_fraction`.

    It is a count that occurs, the smallest on a tie, so with many equal counts the share it gives
    can be far from the one asked for. 0 where nothing was counted.
    """
    ascending = np.sort(entry_counts)
    total = ascending.sum()
    if not total:
        return 0
    shares = np.cumsum(ascending) / total
    return int(ascending[np.abs(shares - tail_fraction).argmin()])


def t_by_language(
    entry_counts: Mapping[str, NDArray[np.int64]], *, t: int, reference: str = "en"
) -> dict[str, int]:
    """Each language's t, for the tail share that t gives the reference language.

    A language without matches gets 0, as in the published code.
    """
    share = tail_fraction_at(entry_counts[reference], t=t)
    others = t_at_tail_fraction_by_language(entry_counts, tail_fraction=share)
    return others | {reference: t}


def t_at_tail_fraction_by_language(
    entry_counts: Mapping[str, NDArray[np.int64]], *, tail_fraction: float
) -> dict[str, int]:
    """Each language's own `t_at_tail_fraction`."""
    return {
        lang: t_at_tail_fraction(counts, tail_fraction=tail_fraction)
        for lang, counts in entry_counts.items()
    }


def expected_rows(
    matches: DataFrame,
    entry_counts: NDArray[np.int64],
    thresholds: Mapping[int, int | NDArray[np.int64]],
) -> DataFrame:
    """What balancing is expected to keep of `matches` at each t: schemas.EXPECTED.

    `entry_counts`: (n_entries,), index = entry_id. `thresholds`: t -> itself, or what t means for
    each entry, (n_entries,). A row of the matches stands for as many rows of the captions as its
    column caption_rows says, for one where it has none; expected bytes are those of its column
    caption_bytes, else 0.
    """
    probabilities = {t: match_probability(entry_counts, t=own) for t, own in thresholds.items()}
    weights = [name for name in (CAPTION_ROWS, CAPTION_BYTES) if name in matches.columns]
    rows = matches.select(ENTRY_IDS, *weights)
    summed = map_in_arrow(rows, _summing(probabilities), EXPECTED)
    sums = [F.sum(name).alias(name) for name in EXPECTED.names if name != T]
    return summed.groupBy(T).agg(*sums)


def _summing(probabilities: Mapping[int, NDArray[np.float64]]) -> BatchFunction:
    def sum_in_task(batches: Batches) -> Iterator[pa.RecordBatch]:
        sums = np.zeros((len(probabilities), 4))
        for batch in batches:
            entry_ids = batch.column(ENTRY_IDS)
            ids, n_ids = np.asarray(entry_ids.flatten()), pc.list_value_length(entry_ids)
            n_rows = _weight(batch, CAPTION_ROWS, default=1.0)
            n_matches = n_ids.fill_null(0).to_numpy() * (n_rows > 0)
            weights = [n_rows, n_matches, _weight(batch, CAPTION_BYTES, default=0.0)]
            for k, probability in enumerate(probabilities.values()):
                kept = keep_probability(entry_ids, probability)
                sums[k] += [*(kept @ weight for weight in weights), probability[ids].sum()]
        columns = [pa.array(probabilities, pa.int64()), *map(pa.array, sums.T)]
        yield pa.RecordBatch.from_arrays(columns, EXPECTED.names)

    return sum_in_task


def _weight(batch: pa.RecordBatch, name: str, *, default: float) -> NDArray[np.float64]:
    if name not in batch.schema.names:
        return np.full(batch.num_rows, default)
    return np.asarray(batch.column(name), np.float64)


def t_for_rows(
    expected: Callable[[list[int]], dict[int, float]], *, rows: int, t_max: int
) -> tuple[int, float]:
    """The t whose expected rows are closest to `rows`, or within a thousandth of them; and they.

    `expected` gives the rows expected at each t, which grow with t; it is asked for 17 values at a
    time, so a handful of passes finds one among millions. `t_max`: the largest count.
    """
    low, high = 1, max(t_max, 1)
    while True:
        at = expected(sorted({int(t) for t in np.geomspace(low, high, _CANDIDATES).round()}))
        best = min(at, key=lambda t: (abs(at[t] - rows), t))
        below = max((t for t in at if at[t] < rows), default=low)
        above = min((t for t in at if at[t] >= rows), default=high)
        narrowed = (below, above)
        if abs(at[best] - rows) <= _CLOSE_ENOUGH * rows or above - below <= 1:
            return best, at[best]
        if narrowed == (low, high):
            return best, at[best]
        low, high = narrowed
