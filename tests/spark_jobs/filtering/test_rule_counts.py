"""Rows by rule: seen by the write, and counted again where that did not see what is there."""

import random
from collections import Counter
from typing import Any

import pytest
from pydantic import TypeAdapter
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.core import observed_sums
from spark_jobs.core.observed_sums import ObservedSums
from spark_jobs.filtering.filter import apply_rules
from spark_jobs.filtering.rule_counts import RuleCounts
from spark_jobs.filtering.rules import FirstSynset, InTable, Rule, rules_of_kind

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
    counted_rows = RuleCounts._counted
    monkeypatch.setattr(RuleCounts, "_counted", lambda self: passes.append(1) or counted_rows(self))
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
        doubled = {"rows": 24, "kept_rule_2": 2 * n_kept}
        monkeypatch.setattr(ObservedSums, "get", lambda _self: doubled)
    by_rule, also = counted.get(rows_in=12, kept=n_kept)
    assert by_rule == {"passed": 3, "b.c": 3, "without": 12 - 6 - n_kept}
    assert also == {"without": 2}


COSTLY = [
    {"rule": "listed", "in_table": "t", "key": "uid"},
    {"rule": "near", "in_table": "t", "key": "uid", "where": "near"},
    {"rule": "word", "first_synset_in": "list", "wordnet": "folder", "column": "text"},
    {"rule": "either", "any_of": [
        {"rule": "a", "in_table": "t", "key": "uid", "where": "near"},
        {"rule": "b", "column": "n", "op": ">", "value": 30},
    ]},
]  # fmt: skip
CHEAP = [
    {"rule": "large", "column": "n", "op": ">", "value": 7},
    {"rule": "words", "measure": "words", "column": "text", "op": ">", "value": 1},
    {"rule": "there", "column": "uid", "op": "is_null", "value": False},
]


@pytest.mark.parametrize("seed", range(6))
def test_steps_keep_and_count_what_all_rules_on_all_rows_do(spark: SparkSession, seed: int) -> None:
    generator = random.Random(seed)
    rules_as_data = generator.sample([*COSTLY, *CHEAP], generator.randint(2, 7))
    rules = TypeAdapter(list[Rule]).validate_python(rules_as_data)
    words = ["dog", "CAT", "of", "xyzzy", "", "sale"]
    rows = [
        (
            generator.choice([None, *(f"u{k}" for k in range(40))]),
            generator.choice([None, " ".join(generator.choices(words, k=generator.randint(0, 4)))]),
            generator.choice([None, generator.randint(0, 50)]),
        )
        for _ in range(500)
    ]
    frame = spark.createDataFrame(rows, "uid string, text string, n int").repartition(3).cache()
    keys = [(generator.choice([None, f"u{k % 45}"]), k % 3 == 0) for k in range(90)]
    table = spark.createDataFrame(keys, "uid string, near boolean")
    results = apply_rules(
        frame,
        rules,
        bounds={},
        tables=dict.fromkeys(rules_of_kind(rules, InTable), table),
        words=dict.fromkeys(rules_of_kind(rules, FirstSynset), ("dog", "cat")),
    )
    at_once = results.rows.where(results.failed_rule.isNull()).select(frame.columns)
    expected = sorted(at_once.collect(), key=str)
    names = [rule.rule for rule in rules]
    counts = RuleCounts(results, names, {"without": F.col("n").isNull()})
    assert sorted(results.kept().collect(), key=str) == expected
    assert sorted(counts.kept().collect(), key=str) == expected
    by_rule, also = counts.get(rows_in=500, kept=len(expected))
    assert counts._observed_sums()["rows"] == 500  # so that no second pass was needed
    failed = Counter(row[0] for row in results.rows.select(results.failed_rule).collect())
    assert by_rule == {name: failed[name] for name in names}
    assert also == {"without": sum(row[2] is None for row in rows)}
    frame.unpersist()


@pytest.mark.parametrize("is_observed", [True, False])
def test_texts_are_looked_at_once(spark: SparkSession, is_observed: bool) -> None:
    rows = spark.createDataFrame([("a dog", 3), ("a cat", 3), ("dog", 1)], "caption string, n int")
    spec = [RULES[0], {"rule": "word", "first_synset_in": "list.txt", "wordnet": "folder"}]
    rules = TypeAdapter(list[Rule]).validate_python(spec)
    [synset] = rules_of_kind(rules, FirstSynset)
    results = apply_rules(rows, rules, bounds={}, tables={}, words={synset: ["dog"]})
    kept = RuleCounts(results, ["passed", "word"], {}, is_observed=is_observed).kept()
    assert [row.caption for row in kept.collect()] == ["a dog"]
    plan = kept._jdf.queryExecution().optimizedPlan().toString()
    assert plan.count("InArrow") == 1
