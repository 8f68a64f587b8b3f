"""Rows by rule: seen by the write, and counted again where that did not see what is there."""

from typing import Any

import pytest
from pydantic import TypeAdapter
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.core import observed_sums
from spark_jobs.core.observed_sums import ObservedSums
from spark_jobs.filtering.filter import apply_rules
from spark_jobs.filtering.rule_counts import RuleCounts
from spark_jobs.filtering.rules import Rule

RULES = [
    {"rule": "passed", "column": "n", "op": ">", "value": 2},
    {"rule": "b.c", "column": "n", "op": "not_in", "value": [5, 6, 7]},
    {"rule": "without", "column": "_rule", "op": "==", "value": "r0"},
]
NAMES = [str(rule["rule"]) for rule in RULES]


def counts_of(spark: SparkSession, **how: Any) -> RuleCounts:
    rows = spark.range(0, 12, 1, 3).selectExpr("id AS n", "concat('r', id % 4 % 3) AS _rule")
    rules = TypeAdapter(list[Rule]).validate_python(RULES)
    judged = apply_rules(rows, rules, bounds={}, tables={}, words={})
    return RuleCounts(judged, NAMES, {"without": F.col("n") > 9}, **how)


def kept_by_hand() -> list[tuple[int, str]]:
    rows = [(n, f"r{n % 4 % 3}") for n in range(12)]
    return [row for row in rows if row[0] > 2 and row[0] not in (5, 6, 7) and row[1] == "r0"]


@pytest.mark.parametrize("is_observed", [True, False])
def test_the_rows_that_each_rule_drops(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, is_observed: bool
) -> None:
    counted = counts_of(spark, is_observed=is_observed)
    kept = sorted(tuple(row) for row in counted.kept().collect())
    assert kept == kept_by_hand()
    passes = []
    with_rule = RuleCounts._with_rule
    monkeypatch.setattr(RuleCounts, "_with_rule", lambda self: passes.append(1) or with_rule(self))
    by_rule, also = counted.get(rows_in=12, kept=len(kept))
    assert (by_rule, also) == (
        {"passed": 3, "b.c": 3, "without": 12 - 6 - len(kept)},
        {"without": 2},
    )
    assert len(passes) == (0 if is_observed else 1)


@pytest.mark.parametrize("seen", ["nothing", "tasks that ran twice", "a part"])
def test_what_the_write_did_not_see_is_counted(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, seen: str
) -> None:
    monkeypatch.setattr(observed_sums, "_TIMEOUT_S", 0.1)
    counted, n_kept = counts_of(spark), len(kept_by_hand())
    if seen == "a part":
        counted.kept().limit(1).collect()
    elif seen == "tasks that ran twice":
        doubled = {"rows": 24, "kept": 2 * n_kept}
        monkeypatch.setattr(ObservedSums, "get", lambda _self: doubled)
    by_rule, also = counted.get(rows_in=12, kept=n_kept)
    assert by_rule == {"passed": 3, "b.c": 3, "without": 12 - 6 - n_kept}
    assert also == {"without": 2}
