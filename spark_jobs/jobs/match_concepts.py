"""match-concepts: find the entries of a concept bank that occur in each caption."""

from functools import partial
from typing import Literal, Self

from pydantic import Field, model_validator

from spark_jobs.balancing.entry_count import count_vector
from spark_jobs.core import schemas
from spark_jobs.core.bank_names import BANK_HELP
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.settings import (
    BankAddress,
    InputAddress,
    OutputAddress,
    Settings,
    require_one_or_both,
)
from spark_jobs.formats.concept_matchers import bank_and_rule, rule_text
from spark_jobs.formats.match_writing import warn_of_unmatched, write_matches
from spark_jobs.matching.language import with_language
from spark_jobs.matching.match import count_concepts, match_groups, matched_rows
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run


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
        metaclip2_parts = {"kana_and_hangul": self.kana_and_hangul, "lang_model": self.lang_model}
        further = metaclip2_parts if self.rule == "metaclip2" else {}
        return rule_text(self.rule, duplicates=self.duplicates, **further)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        require_one_or_both({"output": self.output, "entry_counts": self.entry_counts})
        if self.lang_model is not None and self.rule != "metaclip2":
            raise ValueError("lang_model is of the rule metaclip2")
        if self.output is None and (self.spans or self.carry):
            raise ValueError(f"{'spans' if self.spans else 'carry'} is of the output: give output")
        return self


def run(run: Run, settings: MatchConcepts) -> Counts:
    """Match captions; entries are counted in the stored matches, or in a pass that stores none."""
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
    options = {"carry": settings.carry, "spans": settings.spans}
    match_rows = None
    if settings.lang_model is None and settings.output is not None:
        read_groups = partial(run.read_groups, settings.captions)
        match_rows = match_groups(read_groups, table.columns, matcher, **options)
    if match_rows is None:
        match_rows = matched_rows(captions, matcher, **options)
    outputs = {settings.output: match_rows.columns, settings.entry_counts: schemas.ENTRY_COUNTS}
    run.check_outputs({address: schema for address, schema in outputs.items() if address})
    run_counts = {"entries": len(bank.entries)}
    matching = bank.matching(settings.matching_rule, run.content(settings.captions))
    with batches_that_fit(table):
        if settings.output is None:
            entry_counts = count_vector(count_concepts(captions, matcher), len(bank.entries))
            run_counts |= {"rows_in": count_rows(table)}
        else:
            has_unique_keys = run.has_unique_keys(settings.captions)
            counts = write_matches(
                *(run, match_rows, settings.output, bank),
                matching=matching,
                has_unique_keys=has_unique_keys,
            )
            entry_counts = counts.entry_counts
            run_counts |= {"rows_in": counts.rows, **counts.summary()}
            address = settings.captions if captions is table else None
            warn_of_unmatched(run, captions, address, bank, build, matcher, counts)
    if settings.entry_counts is not None:
        run.write(bank.with_counts(entry_counts), settings.entry_counts, matching=matching)
    return run_counts


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
