"""filter-captions: keep the rows that pass every rule, and count the others by rule."""

from collections import Counter
from functools import reduce
from operator import and_
from typing import Any

from pydantic import Field, field_validator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.concepts.first_synsets import WORD_FILES, words_with_first_synset_in
from spark_jobs.core import schemas
from spark_jobs.core.addresses import absolute_address, parse_address
from spark_jobs.core.columns import free_name, keys, named, require_columns
from spark_jobs.core.decisions import decisions
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import SCORE, UID
from spark_jobs.core.settings import (
    InputAddress,
    OutputAddress,
    OutputFile,
    RoleName,
    Settings,
)
from spark_jobs.filtering.checks import rule_faults
from spark_jobs.filtering.filter import apply_rules
from spark_jobs.filtering.presets import expanded
from spark_jobs.filtering.rule_counts import RuleCounts
from spark_jobs.filtering.rule_results import RuleResults
from spark_jobs.filtering.rules import FirstSynset, InTable, Rule, TopFraction, rules_of_kind
from spark_jobs.filtering.top_fraction import top_fraction_bound
from spark_jobs.formats.datacomp_uids import refuse_other_uids, write_uids_of_rows
from spark_jobs.formats.synsets import read_wnids
from spark_jobs.matching.language import with_language
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.small_files import read_folder


class FilterCaptions(Settings):
    """Settings of filter-captions."""

    captions: InputAddress = Field(
        description="table of captions, with uid and what the rules read"
    )
    scores: InputAddress | None = Field(
        None,
        description="scores of the same captions, one for each, to be read as column score; "
        "captions without one have null",
    )
    lang_model: InputAddress | None = Field(
        None,
        description="file, seen by every worker, of a fastText model such as lid.176.bin; it "
        "writes lang, which rules may read and the output has",
    )
    rules: list[Rule] = Field(
        min_length=1,
        description="in order; the first that a row fails is its reason: {rule: name, column: c, "
        "op: > >= < <= == in not_in between is_null, value: v}, {rule: name, top_fraction: f, "
        "column: c}, {rule: name, in_table: address, key: c}, {rule: name, measure: words tokens "
        "characters shorter_side aspect_ratio, op: >, value: v}, {rule: name, first_synset_in: "
        "imagenet21k, wordnet: folder}, {rule: name, all_of or any_of: [rules]}; or the name of a "
        "preset, which stands for its rules: datacomp_basic, {preset: datacomp_clip_score, "
        "fraction: 0.2} ...",
    )
    decisions: bool = Field(
        False, description="add a row per caption to decisions in the workspace"
    )
    uids: OutputFile | None = Field(
        None,
        description="file of the sorted uids of the kept rows in DataComp's form (npy, u8,u8)",
    )
    output: OutputAddress = Field(description="the rows that pass, as they were")

    @field_validator("rules", mode="before")
    @classmethod
    def _with_rules_of_presets(cls, rules: Any) -> Any:
        return expanded(rules)

    @field_validator("rules")
    @classmethod
    def _have_distinct_names(cls, rules: list[Rule]) -> list[Rule]:
        name_counts = Counter(rule.rule for rule in rules)
        repeated = [name for name, n in name_counts.items() if n > 1]
        if repeated:
            raise ValueError(f"two rules are called {repeated[0]!r}")
        return rules

    def addresses(self, role: RoleName) -> dict[str, str]:
        """The addresses of all settings, and as inputs the tables of rules."""
        addresses = super().addresses(role)
        if role == "input":
            for number, rule in enumerate(rules_of_kind(self.rules, InTable)):
                addresses[f"rules.{number}.in_table"] = absolute_address(rule.in_table)
            for number, synset_rule in enumerate(rules_of_kind(self.rules, FirstSynset)):
                addresses[f"rules.{number}.wordnet"] = absolute_address(synset_rule.wordnet)
        return addresses


def run(run: Run, settings: FilterCaptions) -> Counts:
    """Write the rows that pass the rules; count the others by the first rule that they fail."""
    captions = run.read(settings.captions, StructType([StructField(UID, StringType())]))
    rows = captions
    if settings.lang_model is not None:
        run.read(settings.captions, schemas.CAPTIONS)
        rows = with_language(captions, settings.lang_model)
    if settings.scores is not None:
        rows = _with_scores(run, rows, settings.scores)
    results = _apply_rules(run, rows, captions, settings)
    if settings.uids is not None:
        refuse_other_uids(captions, results.kept())
    has_unique_keys = settings.scores is None and run.has_unique_keys(settings.captions)
    rule_counts = RuleCounts(
        results,
        [rule.rule for rule in settings.rules],
        {} if settings.scores is None else {"without_score": F.col(SCORE).isNull()},
        is_observed=parse_address(settings.output).is_path,
    )
    kept = run.write(
        rule_counts.kept(), settings.output, has_unique_keys=has_unique_keys, few_files=True
    )
    rows_in = count_rows(captions)
    dropped_by_rule, without_score = rule_counts.get(rows_in=rows_in, kept=kept)
    dropped_counts = {_dropped_name(rule): dropped_by_rule[rule.rule] for rule in settings.rules}
    if kept + sum(dropped_counts.values()) != rows_in:
        raise InputDataError(
            f"table {settings.captions}: {rows_in} rows in, but {kept} kept and dropped by rule "
            f"{dropped_counts}: an input has changed while it was read; run it again"
        )
    if settings.decisions:
        _write_decisions(run, results)
    if settings.uids is not None:
        stored = run.read(settings.output, StructType([StructField(UID, StringType())]))
        write_uids_of_rows(stored, settings.uids)
    return {"rows_in": rows_in, "kept": kept} | dropped_counts | without_score


def _write_decisions(run: Run, results: RuleResults) -> None:
    run.write_decisions(
        decisions(
            results.rows,
            kept=results.failed_rule.isNull(),
            rule=F.coalesce(results.failed_rule, F.lit("passed")),
            value=results.value,
            threshold=results.threshold,
        )
    )


def _apply_rules(
    run: Run, rows: DataFrame, captions: DataFrame, settings: FilterCaptions
) -> RuleResults:
    """Find the first rule that each row fails; raise InputDataError with all faults of rules.

    captions: the rows without what is computed or joined, which is not read for other columns.
    """
    tables = {
        rule: run.read(absolute_address(rule.in_table), schemas.EMPTY)
        for rule in rules_of_kind(settings.rules, InTable)
    }
    table_schemas = {rule: table.schema for rule, table in tables.items()}
    faults = rule_faults(settings.rules, rows.schema, table_schemas)
    if faults:
        raise InputDataError(f"table {settings.captions}: {'; '.join(faults)}")
    stored = {name for name in captions.columns if name != schemas.LANG}
    words = {rule: _words(run, rule) for rule in rules_of_kind(settings.rules, FirstSynset)}
    bounds = {
        rule: top_fraction_bound(
            captions if rule.column in stored else rows, rule.column, rule.top_fraction, rule.place
        )
        for rule in rules_of_kind(settings.rules, TopFraction)
    }
    return apply_rules(rows, settings.rules, bounds=bounds, tables=tables, words=words)


def _words(run: Run, rule: FirstSynset) -> list[str]:
    """The words that pass a rule, of the WordNet folder that it names."""
    offsets = [int(wnid[1:]) for wnid in read_wnids(run.spark, rule.first_synset_in)]
    files = read_folder(run.spark, absolute_address(rule.wordnet), WORD_FILES)
    return words_with_first_synset_in(files, offsets, rule.wordnet)


def _dropped_name(rule: Rule) -> str:
    return f"dropped_{rule.rule}"


def _with_scores(run: Run, captions: DataFrame, address: str) -> DataFrame:
    """Add each caption's score, null without one; raise InputDataError if one has several."""
    if SCORE in captions.columns:
        raise InputDataError("the captions have a column score already; leave out `scores`")
    scores = run.read(address, StructType([schemas.SCORES[UID], schemas.SCORES[SCORE]]))
    by = keys(captions)
    require_columns(scores, f"table {address}", by)
    repeated = scores.groupBy(*by).count().where("count > 1").first()
    if repeated is not None:
        raise InputDataError(
            f"table {address}: {repeated[UID]!r} has {repeated['count']} scores; "
            "filter it to one model and query type first"
        )
    score_key_names = {key: free_name(captions, f"_{key}") for key in by}
    score_keys = (named(key).alias(name) for key, name in score_key_names.items())
    scores = scores.select(*score_keys, SCORE)
    is_same_key = (named(key).eqNullSafe(named(name)) for key, name in score_key_names.items())
    joined = captions.join(scores, on=reduce(and_, is_same_key), how="left")
    return joined.drop(*score_key_names.values())


def closing_lines(spark: SparkSession, settings: FilterCaptions, counts: Counts) -> list[str]:
    """Lines on likely mistakes: rules that drop all rows, and captions without a score."""
    lines = []
    n_without_score = counts.get("without_score", 0)
    if n_without_score:
        lines.append(
            f"{n_without_score:,} of {counts['rows_in']:,} captions have no score in "
            f"{settings.scores}"
        )
    n_reached = counts["rows_in"]
    for rule in settings.rules:
        n_dropped = counts[_dropped_name(rule)]
        if n_dropped and n_dropped == n_reached:
            lines.append(f"rule {rule.rule!r} dropped all {n_reached:,} rows that reached it")
        n_reached -= n_dropped
    return lines


JOB = Job(
    "filter-captions",
    "Keep the captions that pass all the rules you write.",
    FilterCaptions,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake filter-captions --captions ./captions --scores ./scores \\\n"
        "  --output ./kept \\\n"
        "  --set 'rules=[{rule: clip, top_fraction: 0.3, column: score}]'"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
