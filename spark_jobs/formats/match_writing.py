"""Write captions with the entries of a bank that they hold, and count these entries."""

import logging
from collections.abc import Collection

from pyspark.sql import DataFrame

from spark_jobs.balancing.entry_count import MatchCounts, count_entries
from spark_jobs.core import schemas
from spark_jobs.core.made_of import Matching
from spark_jobs.formats.concept_bank import Bank
from spark_jobs.formats.concept_matchers import Build, bank_and_rule, rule_text
from spark_jobs.matching.ignoring_case import unmatched_lines
from spark_jobs.matching.match import match_concepts
from spark_jobs.matching.matched_settings import MatchedOutput
from spark_jobs.storage.run import Counts, Run
from udfs.text.matchers import ConceptMatcher, Metaclip2Matcher

_log = logging.getLogger(__name__)


def write_captions(
    run: Run, captions: DataFrame, output: str, settings: MatchedOutput, *, has_unique_keys: bool
) -> tuple[int, Counts]:
    """Write captions, with a bank matched on the way; returns their number, and match counts.

    `captions`: lazy, of any plan. The record of the output says that it is made of the bank and of
    its own captions.
    """
    if settings.bank is None:
        return run.write(captions, output, has_unique_keys=has_unique_keys), {}
    bank, build = bank_and_rule(run, settings.bank, "metaclip")
    matcher = build(bank.entries)
    match_rows = match_concepts(captions, matcher, carry=True)
    outputs = {output: match_rows.schema, settings.entry_counts: schemas.ENTRY_COUNTS}
    run.check_outputs({address: schema for address, schema in outputs.items() if address})
    matching = bank.matching(rule_text("metaclip"), run.content(output))
    counts = write_matches(
        run, match_rows, output, bank, matching=matching, has_unique_keys=has_unique_keys
    )
    warn_of_unmatched(run.read(output, schemas.MATCHES), bank, build, matcher, counts)
    if settings.entry_counts is not None:
        run.write(bank.with_counts(counts.entry_counts), settings.entry_counts, matching=matching)
    return counts.rows, {"entries": len(bank.entries), **counts.summary()}


def write_matches(
    run: Run,
    match_rows: DataFrame,
    output: str,
    bank: Bank,
    *,
    matching: Matching,
    has_unique_keys: bool,
) -> MatchCounts:
    """Write rows with entry_ids, and count them in the table: a second read, of one column."""
    run.write(match_rows, output, matching=matching, has_unique_keys=has_unique_keys)
    return count_entries(run.read(output, schemas.MATCHES), len(bank.entries))


def warn_of_unmatched(
    captions: DataFrame, bank: Bank, build: Build, matcher: ConceptMatcher, counts: MatchCounts
) -> None:
    """Warn if many captions match nothing, after a look at the first of `captions`."""
    if not counts.matched and isinstance(matcher, Metaclip2Matcher):
        _log.warning("nothing matched: bank has languages %s", _first_names(matcher.languages))
    for line in unmatched_lines(
        *(captions, matcher, bank.entries, build),
        rows=counts.rows,
        unmatched=counts.rows - counts.matched,
    ):
        _log.warning(line)


def _first_names(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:9]) + (", ..." if len(names) > 9 else "")
