"""Filter rules against a slow, obvious reference, on thousands of made-up rows."""

import math
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.filtering import top_fraction
from spark_jobs.filtering.filter import first_failed, lookups, shares
from spark_jobs.filtering.rules import Rule
from spark_jobs.filtering.top_fraction import bound_of_top

RULES = TypeAdapter(list[Rule])
NSFW = ["UNLIKELY", "UNSURE", "NSFW", None, "unlikely"]


def made_up(n: int, seed: int) -> list[dict[str, Any]]:
    draws = np.random.default_rng(seed)
    odd = [None, math.nan, 0.5, -1.0, 0.0]
    return [
        {
            "uid": f"u{k}",
            "score": odd[k % 5] if k % 7 == 0 else round(float(draws.normal()), 2),
            "width": None if k % 11 == 0 else int(draws.integers(0, 100)),
            "nsfw": NSFW[draws.integers(0, len(NSFW))],
        }
        for k in range(n)
    ]


def is_value(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def passes(rule: dict[str, Any], row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """What the rules say, with whole lists in place of thresholds."""
    if "all_of" in rule:
        return all(passes(part, row, rows) for part in rule["all_of"])
    if "any_of" in rule:
        return any(passes(part, row, rows) for part in rule["any_of"])
    if "in_table" in rule:
        return row[rule["key"]] in {f"u{k}" for k in range(0, 3_000, 3)}
    value = row[rule["column"]]
    if "top_fraction" in rule:
        every = sorted(
            (r[rule["column"]] for r in rows if is_value(r[rule["column"]])), reverse=True
        )
        wanted = math.ceil(round(rule["top_fraction"] * len(every), 6))
        return is_value(value) and value >= every[wanted - 1]
    if rule["op"] == "is_null":
        return (value is None) == rule["value"]
    if not is_value(value):
        return False
    against = rule["value"]
    return {
        ">": lambda: value > against,
        ">=": lambda: value >= against,
        "<": lambda: value < against,
        "<=": lambda: value <= against,
        "==": lambda: value == against,
        "in": lambda: value in against,
        "not_in": lambda: value not in against,
        "between": lambda: against[0] <= value <= against[1],
    }[rule["op"]]()


LISTS: list[list[dict[str, Any]]] = [
    [
        {"rule": "similar", "column": "score", "op": ">", "value": 0.1},
        {"rule": "safe", "column": "nsfw", "op": "==", "value": "UNLIKELY"},
    ],
    [
        {"rule": "wide", "column": "width", "op": ">=", "value": 20},
        {"rule": "top", "top_fraction": 0.3, "column": "score"},
        {"rule": "known", "in_table": "t", "key": "uid"},
    ],
    [
        {"rule": "small", "column": "width", "op": "<", "value": 80},
        {"rule": "low", "column": "score", "op": "<=", "value": 1},
        {"rule": "safe", "column": "nsfw", "op": "not_in", "value": ["NSFW", "UNSURE"]},
        {"rule": "named", "column": "nsfw", "op": "is_null", "value": False},
        {"rule": "middle", "column": "width", "op": "between", "value": [10, 60]},
    ],
    [
        {
            "rule": "either",
            "any_of": [
                {"rule": "a", "column": "nsfw", "op": "in", "value": ["UNLIKELY", "unlikely"]},
                {"rule": "b", "all_of": [
                    {"rule": "c", "top_fraction": 0.5, "column": "width"},
                    {"rule": "d", "column": "score", "op": "is_null", "value": True},
                ]},
            ],
        },
        {"rule": "score", "column": "score", "op": "==", "value": 0.5},
    ],
]  # fmt: skip


@pytest.mark.parametrize("rules", LISTS, ids=lambda rules: rules[0]["rule"])
def test_the_first_rule_that_fails_is_the_reason(
    spark: SparkSession, rules: list[dict[str, Any]]
) -> None:
    rows = made_up(3_000, seed=len(rules))
    frame = spark.createDataFrame(
        [tuple(row.values()) for row in rows], "uid string, score double, width int, nsfw string"
    )
    known = spark.range(0, 3_000, 3).selectExpr("concat('u', id) AS uid")
    parsed = RULES.validate_python(rules)
    failed = first_failed(
        frame,
        parsed,
        thresholds={s: bound_of_top(frame, s.column, s.top_fraction) for s in shares(parsed)},
        tables=dict.fromkeys(lookups(parsed), known.union(known)),
    )
    found = {row.uid: row.rule for row in failed.collect()}
    expected = {
        row["uid"]: next((r["rule"] for r in rules if not passes(r, row, rows)), None)
        for row in rows
    }
    assert found == expected
    assert len(set(found.values())) > len(rules) - 1
    told = failed.where("rule = 'wide' OR rule = 'similar'").select("value", "threshold").collect()
    assert all(row.value <= row.threshold for row in told if is_value(row.value))


def values_of(spark: SparkSession, values: list[float | None]) -> DataFrame:
    return spark.createDataFrame(
        [(None if value is None else float(value),) for value in values], "x double"
    )


@pytest.mark.parametrize("few", [3, 100_000])
@pytest.mark.parametrize("fraction", [1e-9, 0.001, 0.1, 0.3, 0.5, 1.0])
def test_the_bound_of_the_largest(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, few: int, fraction: float
) -> None:
    monkeypatch.setattr(top_fraction, "_FEW", few)
    draws = np.random.default_rng(few)
    values = [*draws.normal(size=300), *([0.25] * 200), *(draws.random(100) * 1e-12), -1e300, 1e300]
    frame = values_of(spark, [None, math.nan, *values])
    wanted = math.ceil(round(fraction * len(values), 6)) or 1
    assert bound_of_top(frame, "x", fraction) == sorted(values, reverse=True)[wanted - 1]


def test_nothing_has_no_bound(spark: SparkSession) -> None:
    assert bound_of_top(values_of(spark, [None, math.nan]), "x", 0.5) is None
    assert bound_of_top(values_of(spark, [2.0] * 5), "x", 0.5) == 2.0


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"rule": "r", "column": "c", "op": "~", "value": 1}, "Input should be '>'"),
        ({"rule": "r", "column": "c", "op": "in", "value": 1}, "op 'in' takes a list"),
        ({"rule": "r", "column": "c", "op": ">", "value": [1]}, "op '>' takes one value"),
        ({"rule": "r", "column": "c", "op": "between", "value": [1]}, "takes two values"),
        ({"rule": "r", "column": "c", "op": "is_null", "value": 1}, "takes true or false"),
        ({"rule": "r", "top_fraction": 1.5, "column": "c"}, "less than or equal to 1"),
        ({"rule": "r", "any_of": []}, "at least 1 item"),
        ({"rule": "r", "column": "c", "op": ">", "value": 1, "colum": 2}, "Extra inputs"),
        ({"column": "c", "op": ">", "value": 1}, "Field required"),
    ],
)
def test_what_is_no_rule(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RULES.validate_python([rule])
