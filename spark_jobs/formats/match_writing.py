"""Write captions with the entries of a bank that they hold, and count these entries."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.balancing.entry_count import MatchCounts, count_entries, match_counts
from spark_jobs.core import schemas
from spark_jobs.core.arrow_mapping import MappedRows
from spark_jobs.core.columns import keys
from spark_jobs.core.made_of import Matching
from spark_jobs.formats.concept_bank import Bank
from spark_jobs.formats.concept_matchers import Build, bank_and_rule, rule_text
from spark_jobs.matching.ignoring_case import unmatched_lines
from spark_jobs.matching.match import matched_rows
from spark_jobs.matching.matched_settings import MatchedOutput
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.worker_writes import write_files
from udfs.balancing import (
    KEYS,
    KINDS,
    count_entries_and_rows,
    pack_keys,
)
from udfs.id_counts import KIND
from udfs.text.matchers import ConceptMatcher, Metaclip2Matcher

_log = logging.getLogger(__name__)
_KEY = "(key)"  # a working column, called as no column of a table is


def write_captions(
    run: Run, captions: DataFrame, output: str, settings: MatchedOutput, *, has_unique_keys: bool
) -> tuple[int, Counts]:
    """Write captions, with a bank matched on the way; returns their number, and match counts.

    `captions`: lazy, of any plan. The record of the output says that it is made of the bank and of
    its own captions.
    """
    if settings.bank is None:
        return run.write(captions, output, has_unique_keys=has_unique_keys), {}
    bank = _own_bank(run, captions, output, settings.bank, settings)
    counts = write_matches(
        *(run, matched_rows(captions, bank.matcher, carry=True), output, bank.bank),
        matching=bank.matching,
        has_unique_keys=has_unique_keys,
    )
    return counts.rows, _write_counts(run, output, settings, bank, counts)


def write_unrepeated_captions(
    run: Run, captions: DataFrame, output: str, settings: MatchedOutput
) -> tuple[int, Counts] | None:
    """As `write_captions`, and see on the way that no key repeats, without a pass before.

    None, with the table as it was, if keys repeat, or if the workers cannot write there.
    """
    with_key = captions.withColumn(_KEY, F.xxhash64(*keys(captions)))
    bank = None
    rows, pack = MappedRows(with_key, iter, with_key.schema, is_checked=False), pack_keys(_KEY)
    if settings.bank is not None:
        bank = _own_bank(run, captions, output, settings.bank, settings)
        rows = matched_rows(with_key, bank.matcher, carry=True)
        pack = count_entries_and_rows(key=_KEY)
    written = write_files(rows, output, pack, KINDS, left_out=[_KEY])
    if written is None:
        return None
    if (written.counts[KIND] == KEYS).any():
        written.remove()
        return None
    matching = None if bank is None else bank.matching
    n_rows = run.commit_files(written, output, matching=matching, has_unique_keys=True)
    if bank is None:
        return n_rows, {}
    counts = match_counts(written.counts, len(bank.bank.entries))
    return n_rows, _write_counts(run, output, settings, bank, counts)


def write_matches(
    run: Run,
    match_rows: MappedRows,
    output: str,
    bank: Bank,
    *,
    matching: Matching,
    has_unique_keys: bool,
) -> MatchCounts:
    """Write rows with entry_ids, and count them: on the way, or else in a second read."""
    written = write_files(match_rows, output, count_entries_and_rows(), KINDS)
    if written is not None:
        run.commit_files(written, output, matching=matching, has_unique_keys=has_unique_keys)
        return match_counts(written.counts, len(bank.entries))
    frame = match_rows.frame()
    run.write(frame, output, matching=matching, has_unique_keys=has_unique_keys)
    return count_entries(run.read(output, schemas.MATCHES), len(bank.entries))


@dataclass(frozen=True)
class _OwnBank:
    """A bank whose matches become columns of the captions; `matching`: the record of these."""

    bank: Bank
    build: Build
    matcher: ConceptMatcher
    matching: Matching


def _own_bank(
    run: Run, captions: DataFrame, output: str, bank_address: str, settings: MatchedOutput
) -> _OwnBank:
    """The bank of the settings; checks all outputs before the first is written."""
    bank, build = bank_and_rule(run, bank_address, "metaclip")
    matcher = build(bank.entries)
    columns = matched_rows(captions, matcher, carry=True).columns
    outputs = {output: columns, settings.entry_counts: schemas.ENTRY_COUNTS}
    run.check_outputs({address: schema for address, schema in outputs.items() if address})
    matching = bank.matching(rule_text("metaclip"), run.content(output))
    return _OwnBank(bank, build, matcher, matching)


def _write_counts(
    run: Run, output: str, settings: MatchedOutput, bank: _OwnBank, counts: MatchCounts
) -> Counts:
    """Write the entry counts if they are wanted; returns the counts of the run."""
    captions = run.read(output, schemas.MATCHES)
    warn_of_unmatched(run, captions, output, bank.bank, bank.build, bank.matcher, counts)
    if settings.entry_counts is not None:
        entry_counts = bank.bank.with_counts(counts.entry_counts)
        run.write(entry_counts, settings.entry_counts, matching=bank.matching)
    return {"entries": len(bank.bank.entries), **counts.summary()}


def warn_of_unmatched(
    run: Run,
    captions: DataFrame,
    address: str | None,
    bank: Bank,
    build: Build,
    matcher: ConceptMatcher,
    counts: MatchCounts,
) -> None:
    """Warn if many captions match nothing, after a look at the first of `captions`.

    `address`: the table that they are as they stand, None if there is none.
    """

    def read_first(columns: Sequence[str], n: int) -> pa.Table | None:
        return None if address is None else run.first_rows(address, columns, n)

    if not counts.matched and isinstance(matcher, Metaclip2Matcher):
        _log.warning("nothing matched: bank has languages %s", _first_names(matcher.languages))
    for line in unmatched_lines(
        *(captions, matcher, bank.entries, build),
        rows=counts.rows,
        unmatched=counts.rows - counts.matched,
        read_first=read_first,
    ):
        _log.warning(line)


def _first_names(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:9]) + (", ..." if len(names) > 9 else "")
