"""filter-captions: the rows that pass every rule, and why the others do not."""

from collections import Counter

from pydantic import Field, field_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs import schemas
from spark_jobs.addresses import absolute_address
from spark_jobs.columns import keys
from spark_jobs.decisions import decisions
from spark_jobs.errors import InputDataError, MissingColumnError
from spark_jobs.filtering.filter import first_failed, lookups, shares
from spark_jobs.filtering.rules import InTable, Rule
from spark_jobs.filtering.top_fraction import bound_of_top
from spark_jobs.job import Counts, Job, Run
from spark_jobs.schemas import KEPT, RULE, SCORE, THRESHOLD, UID, VALUE
from spark_jobs.settings import InputAddress, OutputAddress, RoleName, Settings, nearest


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
    rules: list[Rule] = Field(
        min_length=1,
        description="in order; the first that a row fails is its reason: {rule: name, column: c, "
        "op: > >= < <= == in not_in between is_null, value: v}, {rule: name, top_fraction: f, "
        "column: c}, {rule: name, in_table: address, key: c}, {rule: name, all_of or any_of: "
        "[rules]}",
    )
    decisions: bool = Field(
        False, description="add a row per caption to decisions in the workspace"
    )
    output: OutputAddress = Field(description="the rows that pass, as they were")

    @field_validator("rules")
    @classmethod
    def _have_names_of_their_own(cls, rules: list[Rule]) -> list[Rule]:
        named = Counter(rule.rule for rule in rules)
        twice = [name for name, n in named.items() if n > 1]
        if twice:
            raise ValueError(f"two rules are called {twice[0]!r}")
        return rules

    def addresses(self, role: RoleName) -> dict[str, str]:
        """As for all settings; the tables of rules are inputs too."""
        named = super().addresses(role)
        if role == "input":
            for number, rule in enumerate(lookups(self.rules)):
                named[f"rules.{number}.in_table"] = absolute_address(rule.in_table)
        return named


def run(run: Run, settings: FilterCaptions) -> Counts:
    """Hold the rows against the rules, then keep and tell."""
    captions = run.read(settings.captions, StructType([StructField(UID, StringType())]))
    rows = captions
    if settings.scores is not None:
        rows = _with_scores(run, captions, settings.scores)
    _check_columns(rows, settings)
    failed = first_failed(
        rows,
        settings.rules,
        thresholds={
            share: bound_of_top(rows, share.column, share.top_fraction)
            for share in dict.fromkeys(shares(settings.rules))
        },
        tables={rule: _table(run, rule) for rule in lookups(settings.rules)},
    )
    kept = failed.where(F.col(RULE).isNull()).drop(RULE, VALUE, THRESHOLD)
    written = run.write(kept, settings.output)
    if settings.decisions:
        told = failed.withColumn(KEPT, F.col(RULE).isNull())
        rule = F.coalesce(RULE, F.lit("passed"))
        value, threshold = F.col(VALUE), F.col(THRESHOLD)
        run.decide(decisions(told, kept=F.col(KEPT), rule=rule, value=value, threshold=threshold))
    by_reason = failed.groupBy(RULE).count().collect()
    dropped = {row[RULE]: row["count"] for row in by_reason if row[RULE] is not None}
    told_counts = {f"dropped_{rule.rule}": dropped.get(rule.rule, 0) for rule in settings.rules}
    return {"rows_in": written + sum(dropped.values()), "kept": written} | told_counts


def _with_scores(run: Run, captions: DataFrame, address: str) -> DataFrame:
    if SCORE in captions.columns:
        raise InputDataError("the captions have a column score already; leave out `scores`")
    scores = run.read(address, StructType([schemas.SCORES[UID], schemas.SCORES[SCORE]]))
    by = keys(captions)
    several = scores.groupBy(*by).count().where("count > 1").first()
    if several is not None:
        raise InputDataError(
            f"table {address}: {several[UID]!r} has {several['count']} scores; "
            "filter it to one model and query type first"
        )
    return captions.join(scores.select(*by, SCORE), on=by, how="left")


def _check_columns(rows: DataFrame, settings: FilterCaptions) -> None:
    for rule in settings.rules:
        for column in rule.columns:
            if column not in rows.columns:
                raise MissingColumnError(
                    f"rule {rule.rule!r}: table {settings.captions} has no column {column!r}"
                    f"{nearest(column, rows.columns)}; it has {', '.join(rows.columns)}"
                )


def _table(run: Run, rule: InTable) -> DataFrame:
    needed = StructType([StructField(rule.key, StringType())])
    return run.read(absolute_address(rule.in_table), needed)


JOB = Job("filter-captions", "Keep the captions that pass rules.", FilterCaptions, run)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
