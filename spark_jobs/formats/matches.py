"""Reading matches with the captions and the entry counts that they belong to."""

import logging
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.balancing.counted_entries import CountedEntries
from spark_jobs.balancing.entry_count import count_matches, count_vector
from spark_jobs.core import schemas
from spark_jobs.core.columns import keys, named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.made_of import Content, Matching
from spark_jobs.core.unique_keys import refuse_repeated_keys
from spark_jobs.formats.entry_counts import counted_entries, read_entry_counts, unnamed_entries
from spark_jobs.storage.run import Run

_log = logging.getLogger(__name__)
NOT_MATCHED, LEFT_OUT = "not_matched", "matches_left_out"
_LEAVE_OUT = "leave out entry_counts"


@dataclass(frozen=True)
class CaptionMatches:
    """The matches of some captions.

    `rows`: those of the table at `address` that are of the captions. `captions`: which these are.
    `matching`: what the table says of itself. `not_matched`: rows of the captions that have none,
    `left_out`: rows of the table that are of other captions.
    """

    address: str
    rows: DataFrame
    captions: Content
    matching: Matching | None
    not_matched: int = 0
    left_out: int = 0

    def told(self) -> dict[str, int]:
        """What a run's counts say of it, where there is anything to say."""
        counts = {NOT_MATCHED: self.not_matched, LEFT_OUT: self.left_out}
        return {name: count for name, count in counts.items() if count}

    def counts(self, n_entries: int) -> NDArray[np.int64]:
        """How many of the rows hold each entry id, shape (n_entries,), by a pass over the ids."""
        return count_vector(count_matches(self.rows), n_entries)

    @property
    def matching_of_captions(self) -> Matching | None:
        """What entry counts over these rows are made of."""
        if self.matching is None:
            return None
        bank, n_entries, rule = self.matching.bank, self.matching.n_entries, self.matching.rule
        return Matching(bank, n_entries, rule, self.captions)


@dataclass(frozen=True)
class CaptionEntries:
    """The entries with their counts: schemas.ENTRY_COUNTS, and on the driver."""

    frame: DataFrame
    counted: CountedEntries


def read_matches(
    run: Run, address: str, captions: str | None = None, *, is_joined: bool = False
) -> CaptionMatches:
    """The matches of the captions at an address, by default of those that the table is made of.

    Matches of other captions are left out, captions without a row in the matches are counted, and
    both are said. `is_joined`: rows are going to be joined by their keys, though they are the
    captions themselves. Raises InputDataError where no caption has a row in the matches, or a key
    that is joined by is of several rows.
    """
    rows = run.read(address, schemas.MATCHES)
    state = run.states[address]
    matching = state.made_of.matching
    has_own_captions = captions is None or captions == address
    is_joined = is_joined or not has_own_captions or schemas.CAPTION_ID in rows.columns
    if is_joined and not state.made_of.has_unique_keys:
        refuse_repeated_keys(rows, address)
    if captions is None or captions == address:
        own = (matching and matching.captions) or run.content(address)
        return CaptionMatches(address, rows, own, matching)
    matches = CaptionMatches(address, rows, run.content(captions), matching)
    is_of_these = matching is not None and matching.captions == matches.captions
    return matches if is_of_these else _of_these(run, matches)


def _of_these(run: Run, matches: CaptionMatches) -> CaptionMatches:
    """The matches without the rows of other captions."""
    address = matches.captions.address
    captions = run.read(address, schemas.CAPTIONS)
    both, only_captions, only_matches = _overlap(captions, matches.rows)
    if only_captions and not both:
        by = " and ".join(_common_keys(captions, matches.rows))
        raise InputDataError(
            f"matches {matches.address}: no row has a {by} of the captions {address}"
        )
    if only_captions:
        _log.warning(
            "matches %s: %s rows of %s have none, and are not kept",
            matches.address,
            f"{only_captions:,}",
            address,
        )
    if not only_matches:
        return replace(matches, not_matched=only_captions)
    _log.warning(
        "matches %s: %s rows are left out, their captions are not in %s",
        matches.address,
        f"{only_matches:,}",
        address,
    )
    return replace(
        matches,
        rows=of_captions(matches.rows, captions),
        not_matched=only_captions,
        left_out=only_matches,
    )


def of_captions(matches: DataFrame, captions: DataFrame) -> DataFrame:
    """The rows of the matches whose key is that of a row of the captions."""
    by = _common_keys(captions, matches)
    wanted = captions.select(*(named(name).alias(f"_{name}") for name in by))
    is_same = reduce(and_, (named(name).eqNullSafe(named(f"_{name}")) for name in by))
    return matches.join(wanted, on=is_same, how="left_semi")


def _common_keys(captions: DataFrame, matches: DataFrame) -> list[str]:
    return [name for name in keys(matches) if name in keys(captions)]


def _overlap(captions: DataFrame, matches: DataFrame) -> tuple[int, int, int]:
    """Captions with and without a row in the matches, and rows of the matches without captions."""
    by, zero, one = _common_keys(captions, matches), F.lit(0), F.lit(1)
    of_captions_ = captions.select(*by, one.alias("c"), zero.alias("m"))
    of_matches = matches.select(*by, zero.alias("c"), one.alias("m"))
    sums = (
        of_captions_.unionAll(of_matches)
        .groupBy(*by)
        .agg(F.sum("c").alias("c"), F.sum("m").alias("m"))
    )
    counted = sums.agg(
        F.sum(F.when(F.col("m") > 0, F.col("c"))),
        F.sum(F.when(F.col("m") == 0, F.col("c"))),
        F.sum(F.when(F.col("c") == 0, F.col("m"))),
    ).first()
    both, only_captions, only_matches = (value or 0 for value in counted or (0, 0, 0))
    return both, only_captions, only_matches


def read_entries(run: Run, address: str | None, matches: CaptionMatches) -> CaptionEntries:
    """The entry counts at an address, or those counted from the matches.

    Counts of another bank than that of the matches, or of other captions, raise InputDataError.
    Where the tables do not say what they were made of, a count that is lower than that of the
    matches cannot be theirs; higher ones, such as those of all shards, are taken and said.
    """
    if address is None:
        frame = unnamed_entries(count_matches(matches.rows))
        return CaptionEntries(frame, counted_entries(frame, matches.address))
    frame = read_entry_counts(run.spark, address, run.inputs.get(address))
    counted = counted_entries(frame, address)
    said = run.states[address].made_of.matching
    check_bank(address, said, counted.counts.size, matches.address, matches.matching)
    if said is None or said != matches.matching_of_captions or matches.not_matched:
        _check_counts(address, said, counted.counts, matches)
    return CaptionEntries(frame, counted)


def check_bank(
    counts: str, said: Matching | None, n_entries: int | None, matches: str, own: Matching | None
) -> None:
    """Raise InputDataError where entry counts and matches are known to be of different banks.

    `counts`, `matches`: their addresses; `said`, `own`: what these tables say of themselves;
    `n_entries`: how many counts there are, where that was looked at.
    """
    if own is None:
        return
    if said is not None and said.bank != own.bank:
        raise InputDataError(
            f"entry_counts {counts} are of the bank {_bank(said)}, but the matches {matches} of "
            f"the bank {_bank(own)}: give those that the run of match-concepts wrote with the "
            f"matches, or {_LEAVE_OUT}"
        )
    if n_entries not in (None, own.n_entries):
        raise InputDataError(
            f"entry_counts {counts} have {n_entries:,} entries, but the bank {_bank(own)} of the "
            f"matches {matches} has {own.n_entries:,}: give the counts of that bank, or "
            f"{_LEAVE_OUT}"
        )


def _bank(matching: Matching) -> str:
    return f"{matching.bank.address} ({matching.n_entries:,} entries, {matching.bank.mark})"


def _check_counts(
    address: str, said: Matching | None, counts: NDArray[np.int64], matches: CaptionMatches
) -> None:
    """Hold the counts against those of the matches."""
    try:
        own = matches.counts(counts.size)
    except InputDataError as fault:
        raise InputDataError(f"entry_counts {address}: {fault}") from None
    captions = None if said is None else said.captions
    wrong = np.flatnonzero(counts < own if captions is None else counts != own)
    if wrong.size:
        id_ = int(wrong[0])
        of = "" if captions is None else f" of the captions {captions.address}"
        raise InputDataError(
            f"entry_counts {address}{of}: entry_id {id_} has entry_count {counts[id_]:,}, but in "
            f"the matches {matches.address} of the captions {matches.captions.address} it is "
            f"{own[id_]:,}: these are counts of another bank or of other captions; {_LEAVE_OUT}"
        )
    more = int((counts > own).sum())
    if more:
        _log.warning(
            "entry_counts %s are of more captions than the matches %s: %s entries have more",
            address,
            matches.address,
            f"{more:,}",
        )
