"""match-concepts: find the entries of a concept bank that occur in each caption."""

import json
import logging
from collections.abc import Collection
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.balancing.entry_count import count_matches, count_vector
from spark_jobs.core import schemas
from spark_jobs.core.bank_names import BANK_HELP
from spark_jobs.core.observed_counts import ObservedCounts
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import ENTRY_IDS
from spark_jobs.core.settings import (
    BankAddress,
    InputAddress,
    OutputAddress,
    Settings,
    require_one_or_both,
)
from spark_jobs.formats.concept_matchers import bank_and_rule
from spark_jobs.matching.ignoring_case import unmatched_lines
from spark_jobs.matching.language import with_language
from spark_jobs.matching.match import count_concepts, match_concepts
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run
from udfs.text.matchers import Metaclip2Matcher

_log = logging.getLogger(__name__)


class MatchConcepts(Settings):
    """Settings of match-concepts."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    bank: BankAddress = Field(description=BANK_HELP)
    rule: Literal["metaclip", "metaclip2"] = Field(
        "metaclip",
        description="metaclip: an entry between spaces; metaclip2: the entries of a caption's "
        "language (column lang of captions and bank), whose ends in scripts without spaces or in "
        "punctuation need none",
    )
    kana_and_hangul: bool = Field(
        False, description="with metaclip2: count them among the scripts without spaces"
    )
    lang_model: InputAddress | None = Field(
        None,
        description="with metaclip2: fastText model file, such as lid.176.ftz, in a folder that "
        "every worker can read; it tells each caption's lang, in place of a column",
    )
    duplicates: Literal["all", "last"] = Field(
        "all", description="ids reported for identical entries: all (MetaCLIP) or its automaton's"
    )
    carry: bool = Field(
        False,
        description="keep the captions' columns in output, so that balance-captions can take it as "
        "captions and matches in one, which saves it a join",
    )
    spans: bool = Field(
        False,
        description="with output: where each match stands in the caption, from its first code "
        "point to the one behind its last",
    )
    output: OutputAddress | None = Field(
        None, description="matches, a row per caption; default: not stored, only counted"
    )
    entry_counts: OutputAddress | None = Field(None, description="captions per entry")

    @property
    def matching_rule(self) -> str:
        """JSON of the settings that decide which entries match, for the output's record."""
        parts = {"rule": self.rule, "duplicates": self.duplicates}
        metaclip2_parts = {"kana_and_hangul": self.kana_and_hangul, "lang_model": self.lang_model}
        return json.dumps(parts | (metaclip2_parts if self.rule == "metaclip2" else {}))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        require_one_or_both({"output": self.output, "entry_counts": self.entry_counts})
        if self.lang_model is not None and self.rule != "metaclip2":
            raise ValueError("lang_model is of the rule metaclip2")
        if self.output is None and (self.spans or self.carry):
            raise ValueError(f"{'spans' if self.spans else 'carry'} is of the output: give output")
        return self


def run(run: Run, settings: MatchConcepts) -> Counts:
    """Match captions; entry counts come from the pass that stores the matches, if it stores any."""
    needs_lang = settings.rule == "metaclip2" and settings.lang_model is None
    required_columns = schemas.CAPTIONS_WITH_LANG if needs_lang else schemas.CAPTIONS
    table = captions = run.read(settings.captions, required_columns)
    if settings.lang_model is not None:
        captions = with_language(table, settings.lang_model)
    bank, build = bank_and_rule(
        run,
        settings.bank,
        settings.rule,
        duplicates=settings.duplicates,
        is_mended=settings.kana_and_hangul,
    )
    matcher = build(bank.entries)
    observed = ObservedCounts()
    match_rows = match_concepts(
        captions, matcher, carry=settings.carry, spans=settings.spans, observed=observed
    )
    outputs = {settings.output: match_rows.schema, settings.entry_counts: schemas.ENTRY_COUNTS}
    run.check_outputs({address: schema for address, schema in outputs.items() if address})
    run_counts = {"entries": len(bank.entries)}
    matching = bank.matching(settings.matching_rule, run.content(settings.captions))
    with batches_that_fit(table):
        if settings.output is None:
            entry_counts = count_vector(count_concepts(captions, matcher), len(bank.entries))
            run_counts |= {"rows_in": count_rows(table)}
        else:
            has_unique_keys = run.has_unique_keys(settings.captions)
            rows = run.write(
                match_rows, settings.output, matching=matching, has_unique_keys=has_unique_keys
            )
            observed_counts = observed.get(rows, len(bank.entries))
            matches = run.read(settings.output, schemas.MATCHES)
            n_matched, entry_counts = observed_counts or _count_stored(matches, len(bank.entries))
            run_counts |= {
                "rows_in": rows,
                "matched": n_matched,
                "unmatched": rows - n_matched,
                "matches": int(entry_counts.sum()),
            }
            if not n_matched and isinstance(matcher, Metaclip2Matcher):
                _log.warning(
                    "nothing matched: bank has languages %s", _first_names(matcher.languages)
                )
            for line in unmatched_lines(
                *(captions, matcher, bank.entries, build), rows=rows, unmatched=rows - n_matched
            ):
                _log.warning(line)
    if settings.entry_counts is not None:
        run.write(bank.with_counts(entry_counts), settings.entry_counts, matching=matching)
    return run_counts


def _first_names(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:9]) + (", ..." if len(names) > 9 else "")


def _count_stored(matches: DataFrame, n_entries: int) -> tuple[int, NDArray[np.int64]]:
    """Count the stored rows with a match, and each entry's captions, shape (n_entries,)."""
    entry_counts = count_vector(count_matches(matches), n_entries)
    return count_rows(matches.where(F.size(ENTRY_IDS) > 0)), entry_counts


JOB = Job(
    "match-concepts",
    "Find the entries of a concept bank that occur in each caption.",
    MatchConcepts,
    run,
    example=(
        "captionlake match-concepts --captions ./captions --bank metadata.json \\\n"
        "  --output ./matches --entry-counts ./entry_counts"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
