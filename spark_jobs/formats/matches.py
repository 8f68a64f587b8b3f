"""Read matches, and check that captions and entry counts belong to them."""

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
WITHOUT_MATCHES, LEFT_OUT = "without_matches", "matches_left_out"
_LEAVE_OUT = "leave out entry_counts"


@dataclass(frozen=True)
class CaptionMatches:
    """The matches of a set of captions.

    `rows`: the rows of the table at `address` whose captions are in the set. `captions`: identity
    of the set. `matching`: the table's record of what it was made of. `without_matches`: number of
    captions without a row in the table. `left_out`: number of rows of other captions.
    """

    address: str
    rows: DataFrame
    captions: Content
    matching: Matching | None
    without_matches: int = 0
    left_out: int = 0

    def mismatch_counts(self) -> dict[str, int]:
        """The run counts without_matches and matches_left_out, without those that are 0."""
        counts = {WITHOUT_MATCHES: self.without_matches, LEFT_OUT: self.left_out}
        return {name: count for name, count in counts.items() if count}

    def counts(self, n_entries: int) -> NDArray[np.int64]:
        """Number of rows that hold each entry id, shape (n_entries,); runs a Spark job."""
        return count_vector(count_matches(self.rows), n_entries)

    @property
    def matching_of_captions(self) -> Matching | None:
        """The record that entry counts of these rows must have."""
        if self.matching is None:
            return None
        bank, n_entries, rule = self.matching.bank, self.matching.n_entries, self.matching.rule
        return Matching(bank, n_entries, rule, self.captions)


@dataclass(frozen=True)
class CaptionEntries:
    """Entry counts, as a frame of schemas.ENTRY_COUNTS and on the driver."""

    frame: DataFrame
    counted: CountedEntries


def read_matches(
    run: Run, address: str, captions: str | None = None, *, is_joined: bool = False
) -> CaptionMatches:
    """Read the matches of the captions at an address; default: those the table is made of.

    Matches of other captions are left out, captions without a row in the matches are counted, and
    both are logged as warnings. `is_joined`: the caller joins rows by their keys, even if
    `captions` is the table itself. Raises InputDataError if no caption has a row in the matches,
    or a key used for joining is repeated.
    """
    rows = run.read(address, schemas.MATCHES)
    state = run.states[address]
    matching = state.made_of.matching
    has_own_captions = captions is None or captions == address
    is_joined = is_joined or not has_own_captions or schemas.CAPTION_ID in rows.columns
    if is_joined and not state.made_of.has_unique_keys:
        refuse_repeated_keys(rows, address)
    if captions is None or captions == address:
        own_captions = (matching and matching.captions) or run.content(address)
        return CaptionMatches(address, rows, own_captions, matching)
    matches = CaptionMatches(address, rows, run.content(captions), matching)
    is_made_of_captions = matching is not None and matching.captions == matches.captions
    return matches if is_made_of_captions else _keep_matches_of_captions(run, matches)


def _keep_matches_of_captions(run: Run, matches: CaptionMatches) -> CaptionMatches:
    """Drop the rows of other captions; warns of them and of captions without a row."""
    address = matches.captions.address
    captions = run.read(address, schemas.CAPTIONS)
    both, only_captions, only_matches = _overlap(captions, matches.rows)
    if only_captions and not both:
        key_names = " and ".join(_common_keys(captions, matches.rows))
        raise InputDataError(
            f"matches {matches.address}: no row has a {key_names} of the captions {address}"
        )
    if only_captions:
        _log.warning(
            "matches %s: %s rows of %s have none, and are not kept",
            matches.address,
            f"{only_captions:,}",
            address,
        )
    if not only_matches:
        return replace(matches, without_matches=only_captions)
    _log.warning(
        "matches %s: %s rows are left out, their captions are not in %s",
        matches.address,
        f"{only_matches:,}",
        address,
    )
    return replace(
        matches,
        rows=matches_of_captions(matches.rows, captions),
        without_matches=only_captions,
        left_out=only_matches,
    )


def matches_of_captions(matches: DataFrame, captions: DataFrame) -> DataFrame:
    """The rows of the matches whose key occurs in the captions; null keys equal each other."""
    common_keys = _common_keys(captions, matches)
    caption_keys = captions.select(*(named(name).alias(f"_{name}") for name in common_keys))
    is_same_key = reduce(and_, (named(name).eqNullSafe(named(f"_{name}")) for name in common_keys))
    return matches.join(caption_keys, on=is_same_key, how="left_semi")


def _common_keys(captions: DataFrame, matches: DataFrame) -> list[str]:
    return [name for name in keys(matches) if name in keys(captions)]


def _overlap(captions: DataFrame, matches: DataFrame) -> tuple[int, int, int]:
    """(captions with a row in the matches, captions without, rows of matches without a caption)."""
    common_keys, zero, one = _common_keys(captions, matches), F.lit(0), F.lit(1)
    caption_keys = captions.select(*common_keys, one.alias("n_captions"), zero.alias("n_matches"))
    match_keys = matches.select(*common_keys, zero.alias("n_captions"), one.alias("n_matches"))
    rows_per_key = (
        caption_keys.unionAll(match_keys)
        .groupBy(*common_keys)
        .agg(F.sum("n_captions").alias("n_captions"), F.sum("n_matches").alias("n_matches"))
    )
    totals = rows_per_key.agg(
        F.sum(F.when(F.col("n_matches") > 0, F.col("n_captions"))),
        F.sum(F.when(F.col("n_matches") == 0, F.col("n_captions"))),
        F.sum(F.when(F.col("n_captions") == 0, F.col("n_matches"))),
    ).first()
    both, only_captions, only_matches = (total or 0 for total in totals or (0, 0, 0))
    return both, only_captions, only_matches


def read_entries(run: Run, address: str | None, matches: CaptionMatches) -> CaptionEntries:
    """Read the entry counts at an address, or count them from the matches if it is None.

    Raises InputDataError for counts of another bank or other captions than the matches'. If the
    tables have no record of what they were made of, counts lower than those of the matches raise
    it; higher ones, such as those over all shards, are accepted with a warning.
    """
    if address is None:
        frame = unnamed_entries(count_matches(matches.rows))
        return CaptionEntries(frame, counted_entries(frame, matches.address))
    frame = read_entry_counts(run.spark, address, run.inputs.get(address))
    counted = counted_entries(frame, address)
    counts_matching = run.states[address].made_of.matching
    check_bank(address, counts_matching, counted.counts.size, matches.address, matches.matching)
    is_same_matching = (
        counts_matching is not None and counts_matching == matches.matching_of_captions
    )
    if not is_same_matching or matches.without_matches:
        _check_counts(address, counts_matching, counted.counts, matches)
    return CaptionEntries(frame, counted)


def check_bank(
    counts: str,
    counts_matching: Matching | None,
    n_entries: int | None,
    matches: str,
    matches_matching: Matching | None,
) -> None:
    """Raise InputDataError if entry counts and matches are known to be of different banks.

    `counts`, `matches`: addresses of the tables; `counts_matching`, `matches_matching`: their
    records of what they were made of; `n_entries`: number of counts, or None to not compare it.
    """
    if matches_matching is None:
        return
    matches_bank = _bank_text(matches_matching)
    if counts_matching is not None and counts_matching.bank != matches_matching.bank:
        raise InputDataError(
            f"entry_counts {counts} are of the bank {_bank_text(counts_matching)}, but the matches "
            f"{matches} of the bank {matches_bank}: give those that the run of match-concepts "
            f"wrote with the matches, or {_LEAVE_OUT}"
        )
    if n_entries not in (None, matches_matching.n_entries):
        raise InputDataError(
            f"entry_counts {counts} have {n_entries:,} entries, but the bank {matches_bank} of the "
            f"matches {matches} has {matches_matching.n_entries:,}: give the counts of that bank, "
            f"or {_LEAVE_OUT}"
        )


def _bank_text(matching: Matching) -> str:
    return f"{matching.bank.address} ({matching.n_entries:,} entries, {matching.bank.mark})"


def _check_counts(
    address: str,
    counts_matching: Matching | None,
    counts: NDArray[np.int64],
    matches: CaptionMatches,
) -> None:
    """Compare entry counts with those of the matches; warn of higher, raise for impossible ones.

    If the counts have a record of their captions, any difference raises InputDataError.
    """
    try:
        match_counts = matches.counts(counts.size)
    except InputDataError as fault:
        raise InputDataError(f"entry_counts {address}: {fault}") from None
    captions = None if counts_matching is None else counts_matching.captions
    is_wrong = counts < match_counts if captions is None else counts != match_counts
    wrong_ids = np.flatnonzero(is_wrong)
    if wrong_ids.size:
        entry_id = int(wrong_ids[0])
        of_captions = "" if captions is None else f" of the captions {captions.address}"
        raise InputDataError(
            f"entry_counts {address}{of_captions}: entry_id {entry_id} has entry_count "
            f"{counts[entry_id]:,}, but in the matches {matches.address} of the captions "
            f"{matches.captions.address} it is {match_counts[entry_id]:,}: these are counts of "
            f"another bank or of other captions; {_LEAVE_OUT}"
        )
    n_higher = int((counts > match_counts).sum())
    if n_higher:
        _log.warning(
            "entry_counts %s are of more captions than the matches %s: %s entries have more",
            address,
            matches.address,
            f"{n_higher:,}",
        )
