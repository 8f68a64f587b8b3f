"""Filter rules against a slow, obvious reference in typed scalars of numpy, for all types.

Rows and rules are made up by the thousand, with values that are stored and values beside them.
"""

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter, ValidationError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.filtering import top_fraction
from spark_jobs.filtering.checks import rule_faults
from spark_jobs.filtering.filter import apply_rules
from spark_jobs.filtering.rule_results import RuleResults
from spark_jobs.filtering.rules import InTable, Rule, TopFraction, rules_of_kind
from spark_jobs.filtering.top_fraction import top_fraction_bound

RULES = TypeAdapter(list[Rule])
ROWS = 3_000
TYPES = {
    **{"uid": "string", "f32": "float", "f64": "double", "i8": "tinyint", "i16": "smallint"},
    **{"i32": "int", "i64": "bigint", "dec": "decimal(7,2)", "text": "string", "flag": "boolean"},
    **{"day": "date", "time": "timestamp"},
}
SCHEMA = ", ".join(f"{name} {of}" for name, of in TYPES.items())
NUMBERS = ["f32", "f64", "i8", "i16", "i32", "i64", "dec"]
WHOLE = {"i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64}
WORDS = ["", "a", "A", "ä", "ab", "b", "NO", "1", "a'b", "🐈", "\x00"]


def made_up(n: int, seed: int) -> list[dict[str, Any]]:
    """Rows whose values come often, at the edges of their types, and with nulls and NaN."""
    draws = np.random.default_rng(seed)
    edges = [0.0, -0.0, math.nan, math.inf, -math.inf, 0.7, 0.82, 1e-30, 16_777_217.0]

    def pick(values: list[Any]) -> Any:
        return values[draws.integers(0, len(values))]

    rows: list[dict[str, Any]] = []
    for k in range(n):
        number = round(float(draws.normal()), 1)
        whole = {
            name: int(pick([np.iinfo(of).min, np.iinfo(of).max, 0, 1, *draws.integers(-9, 9, 3)]))
            for name, of in WHOLE.items()
        }
        row = {
            "uid": f"u{k}",
            "f32": float(np.float32(pick([*edges, number, number, number]))),
            "f64": pick([*edges, number, number, 0.1 + 0.2, float(np.float32(0.7))]),
            **whole,
            "dec": Decimal(int(draws.integers(-200, 200))).scaleb(-2),
            "text": pick(WORDS),
            "flag": pick([True, False]),
            "day": date(2024, 1, 1) + timedelta(int(draws.integers(0, 9))),
            "time": datetime(2024, 1, 1, int(draws.integers(0, 24)), tzinfo=UTC),
        }
        nulls = {name for name in TYPES if name != "uid" and draws.random() < 0.1}
        rows.append({name: None if name in nulls else value for name, value in row.items()})
    return rows


def given(column: str, stored: Any) -> Any:
    """How a user writes a stored value in YAML: 0.7 for the float32 0.7."""
    if column == "f32":
        return float(str(np.float32(stored)))
    if column == "dec":
        return float(stored)
    return stored.isoformat() if isinstance(stored, date | datetime) else stored


def typed(column: str, value: Any) -> Any:
    """A rule's value in the column's type, as numpy, decimal and datetime have it."""
    if column == "f32":
        return np.float32(value)
    if column == "f64":
        return np.float64(value)
    if column == "dec":
        return Decimal(str(value))
    if column == "day":
        return date.fromisoformat(value)
    if column == "time":
        return datetime.fromisoformat(value)
    return value  # Python compares ints with floats exactly


def stored(column: str, value: Any) -> Any:
    if column in ("f32", "f64"):
        return (np.float32 if column == "f32" else np.float64)(value)
    return value.encode() if column == "text" else value


def is_value(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def passes(rule: dict[str, Any], row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """What the rules say, with whole lists in place of thresholds."""
    if "all_of" in rule:
        return all(passes(part, row, rows) for part in rule["all_of"])
    if "any_of" in rule:
        return any(passes(part, row, rows) for part in rule["any_of"])
    if "in_table" in rule:
        return row[rule["key"]] in {f"u{k}" for k in range(0, ROWS, 3)}
    column = rule["column"]
    value = row[column]
    if "top_fraction" in rule:
        values = sorted((r[column] for r in rows if is_value(r[column])), reverse=True)
        wanted = math.ceil(Decimal(str(rule["top_fraction"])) * len(values))
        return is_value(value) and value >= values[wanted - 1]
    if rule["op"] == "is_null":
        return (value is None) == rule["value"]
    if not is_value(value):
        return False
    has = stored(column, value)
    listed = rule["value"] if isinstance(rule["value"], list) else [rule["value"]]
    against = [v.encode() if column == "text" else typed(column, v) for v in listed]
    return {
        ">": lambda: has > against[0],
        ">=": lambda: has >= against[0],
        "<": lambda: has < against[0],
        "<=": lambda: has <= against[0],
        "==": lambda: has == against[0],
        "in": lambda: any(has == one for one in against),
        "not_in": lambda: all(has != one for one in against),
        "between": lambda: against[0] <= has <= against[1],
    }[rule["op"]]()


def made_up_rules(rows: list[dict[str, Any]], seed: int) -> Iterator[dict[str, Any]]:
    """Comparisons of each column with values that it holds, and with some beside these."""
    draws = np.random.default_rng(seed)
    for column in TYPES:
        held = [row[column] for row in rows if is_value(row[column])]

        def value(held: list[Any] = held, column: str = column) -> Any:
            one = given(column, held[draws.integers(0, len(held))])
            beside = 0.005 if column == "dec" else 0.5 if column in WHOLE else 0
            is_beside = beside and draws.random() < 0.2 and abs(one) < 100
            return one + beside if is_beside else one

        for op in (">", ">=", "<", "<=", "==", "in", "not_in", "between"):
            if column == "flag" and op not in ("==", "in", "not_in"):
                continue
            is_list = op in ("in", "not_in", "between")
            for n in (1, 3, 14) if is_list else (1, 2):
                listed = [value() for _ in range(n)]
                if op in ("==", "in", "not_in"):
                    listed = [given(column, held[draws.integers(0, len(held))]) for _ in range(n)]
                if op == "between":
                    pair = sorted((value(), value()), key=lambda v, c=column: typed(c, v))
                    listed = pair
                yield {
                    "rule": f"{column} {op} {n}",
                    "column": column,
                    "op": op,
                    "value": listed if is_list else listed[0],
                }
        yield {"rule": f"{column} null", "column": column, "op": "is_null", "value": True}
        yield {"rule": f"{column} there", "column": column, "op": "is_null", "value": False}


def frame_of(spark: SparkSession, rows: list[dict[str, Any]]) -> DataFrame:
    return spark.createDataFrame([tuple(row[name] for name in TYPES) for row in rows], SCHEMA)


def judged(frame: DataFrame, rules: list[dict[str, Any]]) -> RuleResults:
    spark = frame.sparkSession
    parsed = RULES.validate_python(rules)
    table = spark.range(0, ROWS, 3).selectExpr("concat('u', id) AS uid", "id AS i64")
    table = table.union(table).union(spark.sql("SELECT NULL AS uid, NULL AS i64"))
    tables = dict.fromkeys(rules_of_kind(parsed, InTable), table)
    assert rule_faults(parsed, frame.schema, {k: t.schema for k, t in tables.items()}) == []
    bounds = {
        s: top_fraction_bound(frame, s.column, s.top_fraction)
        for s in rules_of_kind(parsed, TopFraction)
    }
    return apply_rules(frame, parsed, bounds=bounds, tables=tables, words={})


@pytest.mark.parametrize(
    ("n_rows", "seed"),
    [(1_000, 0), *(pytest.param(ROWS, seed, marks=pytest.mark.slow) for seed in range(1, 6))],
)
def test_every_comparison_of_every_type(spark: SparkSession, n_rows: int, seed: int) -> None:
    """Each of some 220 rules alone."""
    rows = made_up(n_rows, seed)
    frame = frame_of(spark, rows).repartition(1).cache()
    rules = list(made_up_rules(rows, seed))
    assert len(rules) > 200
    alone = [
        judged(frame, [rule]).failed_rule.isNull().alias(str(i)) for i, rule in enumerate(rules)
    ]
    for begin in range(0, len(rules), 60):
        some = range(begin, min(begin + 60, len(rules)))
        found = {
            row["uid"]: row for row in frame.select("uid", *(alone[i] for i in some)).collect()
        }
        for i in some:
            right = {row["uid"] for row in rows if passes(rules[i], row, rows)}
            kept = {uid for uid, row in found.items() if row[str(i)]}
            assert kept == right, (rules[i], len(kept), len(right))
    frame.unpersist()


def test_long_lists_of_every_type_pass_what_short_ones_do(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a table that is joined: no row is lost or doubled, whatever is listed twice."""
    monkeypatch.setattr("spark_jobs.filtering.filter.MOST_LITERALS", 2)
    rows = made_up(1_000, seed=9)
    lists = {
        (rule["op"], rule["column"]): rule | {"value": rule["value"] * 2 + zeros}
        for rule in made_up_rules(rows, seed=9)
        if rule["op"] in ("in", "not_in") and len(rule["value"]) == 3
        for zeros in [[0, -0.0] if rule["column"] in ("f32", "f64") else []]
    }
    ins = [lists["in", column] for column in ("f32", "dec", "i64", "time")]
    rules = [lists["not_in", column] for column in ("f64", "text", "day")]
    rules += [{"rule": "any", "any_of": ins}]
    result = judged(frame_of(spark, rows).repartition(1), rules)
    is_listed = [F.col(name).isNotNull() for name in result.helper_columns]
    found = result.rows.select("uid", result.failed_rule, F.array(*is_listed)).collect()
    listed = [
        lists["in", rule["column"]] | {"value": rule["value"]} for rule in [*rules[:-1], *ins]
    ]
    assert sorted(map(tuple, found)) == sorted(
        (
            row["uid"],
            next((rule["rule"] for rule in rules if not passes(rule, row, rows)), None),
            [passes(rule, row, rows) for rule in listed],
        )
        for row in rows
    )
    assert len({row[1] for row in found}) == 5


LISTS: list[list[dict[str, Any]]] = [
    [
        {"rule": "similar", "column": "f32", "op": ">=", "value": 0.1},
        {"rule": "safe", "column": "text", "op": "==", "value": "NO"},
    ],
    [
        {"rule": "wide", "column": "i32", "op": ">=", "value": -2},
        {"rule": "top", "top_fraction": 0.3, "column": "f64"},
        {"rule": "known", "in_table": "t", "key": "uid"},
    ],
    [
        {"rule": "small", "column": "i64", "op": "<", "value": 80},
        {"rule": "low", "column": "f64", "op": "<=", "value": 1},
        {"rule": "safe", "column": "text", "op": "not_in", "value": ["NO", "a"]},
        {"rule": "named", "column": "day", "op": "is_null", "value": False},
        {"rule": "middle", "column": "dec", "op": "between", "value": [-1, 1.5]},
    ],
    [
        {
            "rule": "either",
            "any_of": [
                {"rule": "a", "column": "text", "op": "in", "value": ["A", "b"]},
                {"rule": "b", "all_of": [
                    {"rule": "c", "top_fraction": 0.5, "column": "i16"},
                    {"rule": "d", "column": "f32", "op": "is_null", "value": True},
                    {"rule": "e", "in_table": "t", "key": "uid"},
                ]},
            ],
        },
        {"rule": "score", "column": "f32", "op": "==", "value": 0.7},
    ],
]  # fmt: skip


@pytest.mark.parametrize("rules", LISTS, ids=lambda rules: rules[0]["rule"])
def test_the_first_rule_that_fails_is_the_reason(
    spark: SparkSession, rules: list[dict[str, Any]]
) -> None:
    rows = made_up(ROWS, seed=len(rules))
    frame = frame_of(spark, rows)
    result = judged(frame, rules)
    columns = result.failed_rule.alias("rule"), result.value.alias("v"), result.threshold.alias("t")
    reasons = {row.uid: row for row in result.rows.select("uid", *columns).collect()}
    expected = {
        row["uid"]: next((r["rule"] for r in rules if not passes(r, row, rows)), None)
        for row in rows
    }
    assert {uid: row.rule for uid, row in reasons.items()} == expected
    assert len(set(expected.values())) > len(rules) - 1
    below = [row for row in reasons.values() if row.rule in ("similar", "wide") and is_value(row.v)]
    assert all(row.v < row.t for row in below)
    if rules[0]["rule"] == "similar":
        assert {row.t for row in below} == {float(np.float32(0.1))}
    kept = result.kept()
    assert kept.columns == frame.columns
    assert {row.uid for row in kept.collect()} == {u for u, why in expected.items() if why is None}


def test_columns_of_the_rows_that_are_called_like_ours_stay(spark: SparkSession) -> None:
    odd = "uid string, rule string, `value` int, threshold int, _in_table int, _in_table_key int"
    frame = spark.createDataFrame([("u0", "r", 1, 2, 3, 4), ("u1", "s", 5, 6, 7, 8)], odd)
    rules = [{"rule": "r", "column": "value", "op": ">", "value": 0}]
    rules += [{"rule": "t", "in_table": "t", "key": "uid"}]
    assert [tuple(row) for row in judged(frame, rules).kept().collect()] == [
        ("u0", "r", 1, 2, 3, 4)
    ]


def values_of(spark: SparkSession, values: list[Any], of: str = "double") -> DataFrame:
    return spark.createDataFrame([(value,) for value in values], f"x {of}")


@pytest.mark.parametrize(("few", "width"), [(3, 1e-3), (3, -0.2), (100_000, None)])
@pytest.mark.parametrize("fraction", [1e-9, 0.001, 0.1, 0.3, 0.5, 0.9, 1.0])
def test_the_bound_of_the_largest(
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    width: float | None,
    fraction: float,
) -> None:
    """By one look near the percentile, by bins where it is not there (-0.2), and all at once."""
    monkeypatch.setattr(top_fraction, "_MAX_DRIVER_VALUES", few)
    if width is not None:
        monkeypatch.setattr(top_fraction, "_WIDTHS", [width])
        monkeypatch.setattr(top_fraction, "_DEVIATIONS", -10.0)  # so that this width will do
        monkeypatch.setattr(top_fraction, "_SAMPLED", 1.0)
    draws = np.random.default_rng(few)
    values = [*map(float, draws.normal(size=300)), *([0.25] * 200), -1.7e308, 1.7e308]
    values += [*map(float, draws.random(100) * 1e-12), math.inf, math.inf, *([-math.inf] * 70)]
    frame = values_of(spark, [None, math.nan, *values])
    wanted = math.ceil(Decimal(str(fraction)) * len(values))
    assert top_fraction_bound(frame, "x", fraction) == sorted(values, reverse=True)[wanted - 1]


@pytest.mark.parametrize("fraction", [1e-4, 0.3, 0.999])
def test_one_look_finds_the_bound_of_many(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, fraction: float
) -> None:
    """200,000 values in four partitions, a tenth of them equal: no bins are counted."""
    monkeypatch.delattr(top_fraction, "_kth_by_bins")
    x = "CASE WHEN id % 10 = 0 THEN 0.7 ELSE pow(pmod(xxhash64(id), 1000003) / 1000003, 3) END x"
    frame = spark.range(0, 200_000, 1, 4).selectExpr(x)
    values = sorted((row.x for row in frame.collect()), reverse=True)
    wanted = math.ceil(Decimal(str(fraction)) * len(values))
    assert top_fraction_bound(frame, "x", fraction) == values[wanted - 1]


@pytest.mark.parametrize("share_without_value", [0.0, 0.4])
def test_the_estimate_of_many_is_of_a_sample(
    spark: SparkSession, share_without_value: float
) -> None:
    """How often the value lies in the window that is chosen: in 42 samples."""
    x = f"CASE WHEN id % 10 >= {10 * share_without_value} THEN pmod(xxhash64(id), 999983) + 0D END"
    frame = spark.range(0, 200_000, 1, 2).selectExpr(f"{x} AS x").cache()
    n = frame.where("x IS NOT NULL").count()
    for share in (0.01, 0.3, 0.9):
        width = top_fraction._width(share, n)
        bound = top_fraction_bound(frame, "x", share)
        assert width is not None
        for seed in range(7):
            sampled = F.when(F.rand(seed) < top_fraction._SAMPLED, F.col("x"))
            [[windows]] = (
                frame.withColumn("sampled", sampled).agg(top_fraction._windows(share)).collect()
            )
            low, high = windows[2 * width : 2 * width + 2]
            assert low <= bound <= high, (share, seed)
    assert top_fraction._width(0.3, 1_000) is None  # too few for a sample
    assert top_fraction._width(0.3, 10**10) is None  # too many near any estimate
    frame.unpersist()


def test_the_bound_is_of_the_columns_own_type(spark: SparkSession) -> None:
    """Doubles would have all of these equal."""
    large = [2**60 + k for k in range(10)]
    assert top_fraction_bound(values_of(spark, large, "bigint"), "x", 0.3) == 2**60 + 7
    digits = [Decimal(10**20) + Decimal(k).scaleb(-6) for k in range(10)]
    assert top_fraction_bound(values_of(spark, digits, "decimal(38,6)"), "x", 0.3) == digits[7]
    singles = [float(np.float32(0.1 * k)) for k in range(10)]
    assert top_fraction_bound(values_of(spark, singles, "float"), "x", 0.3) == singles[7]
    rows = values_of(spark, large, "bigint").selectExpr("cast(x AS string) AS uid", "x AS i64")
    rules = [{"rule": "top", "top_fraction": 0.3, "column": "i64"}]
    assert judged(rows, rules).kept().count() == 3


def test_nothing_has_no_bound(spark: SparkSession) -> None:
    assert top_fraction_bound(values_of(spark, [None, math.nan]), "x", 0.5) is None
    assert top_fraction_bound(values_of(spark, [2.0] * 5), "x", 0.5) == 2.0
    assert top_fraction_bound(values_of(spark, [math.inf, -math.inf]), "x", 1.0) == -math.inf


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"column": "c", "op": "~", "value": 1}, "Input should be '>'"),
        ({"column": "c", "op": "in", "value": 1}, "op 'in' takes a list"),
        ({"column": "c", "op": ">", "value": [1]}, "op '>' takes one value"),
        ({"column": "c", "op": "between", "value": [1]}, "takes two values"),
        ({"column": "c", "op": "is_null", "value": 1}, "takes true or false"),
        ({"top_fraction": 1.5, "column": "c"}, "less than or equal to 1"),
        ({"any_of": []}, "at least 1 item"),
        ({"column": "c", "op": ">", "value": 1, "colum": 2}, "Extra inputs"),
        ({"column": "c", "op": ">", "value": datetime(2024, 1, 1)}, "put the time in quotes"),
        ({"op": ">", "value": 1}, "Field required"),
    ],
)
def test_what_is_no_rule(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RULES.validate_python([{"rule": "r"} | rule])


def compare(column: str, op: str, value: Any) -> dict[str, Any]:
    return {"rule": "r", "column": column, "op": op, "value": value}


FAULTS: list[tuple[dict[str, Any], str]] = [
    (compare("text", ">", 1), "'text' is string, compared by > with 1: expected text"),
    (compare("text", "==", False), "with False: expected text; put it in quotes"),
    (compare("i32", ">", "abc"), "'i32' is int, compared by > with 'abc': expected a number"),
    (compare("f64", ">", "1e-3"), "expected a number; write 0.001, without quotes"),
    (compare("i32", ">", True), "expected a number, not true or false"),
    (compare("flag", "==", 1), "'flag' is boolean, compared by == with 1: expected true or false"),
    (compare("flag", ">", False), "no order for op '>'; expected ==, in or not_in"),
    (compare("text", "in", []), "compared by in with []: expected at least one value"),
    (compare("text", "not_in", []), "at least one value"),
    (compare("f32", ">", math.nan), "NaN is none"),
    (compare("text", "==", None), "expected a value; for null write op: is_null, value: true"),
    (compare("text", "in", ["a", 1]), "compared by in with 1: expected text"),
    (compare("i32", "in", [1, "a", "b", None]), "with 'a': expected a number (and 2 more"),
    (compare("i32", "between", [5, 1]), "with 5 and 1: expected the smaller bound first"),
    (compare("day", "between", ["2024-02-01", "2024-01-01"]), "expected the smaller bound first"),
    (compare("i32", "between", [1, "z"]), "compared by between with 'z': expected a number"),
    (compare("i32", "==", 1.5), "with 1.5: expected a value that a row can equal"),
    (compare("i64", "not_in", [1, 1.5]), "with 1.5: expected a value that a row can equal"),
    (compare("dec", "==", 0.125), "with 0.125: expected a value that a row can equal"),
    (compare("i32", "<", 5e9), "with 5000000000.0: is beyond int: -2147483648 to 2147483647"),
    (compare("i8", "in", [1, 128]), "with 128: is beyond tinyint: -128 to 127"),
    (compare("i32", "<", math.inf), "with inf: is beyond every int"),
    (compare("f32", "<", 1e39), "with 1e+39: is beyond float"),
    (compare("f32", "==", 1e-60), "is too small for float"),
    (compare("dec", ">", 100_000), "with 100000: is beyond decimal(7,2)"),
    (compare("day", ">", "01/02/2024"), "expected a date as text, such as 2024-05-31"),
    (compare("time", ">", 1_700_000_000), "expected a timestamp as text"),
    (compare("ids", "in", [1]), "'ids' is array<int>, which op 'in' cannot compare"),
    (compare("tree", "==", "a"), "'tree' is struct<a:int>, which op '==' cannot compare"),
    (compare("bytes", "==", "a"), "'bytes' is binary, which op '==' cannot compare"),
    (compare("i3", ">", 1), "the table has no column 'i3', did you mean 'i32'?"),
    ({"rule": "r", "top_fraction": 0.5, "column": "text"}, "'text' is string, expected numbers"),
    ({"rule": "r", "top_fraction": 0.5, "column": "ids"}, "'ids' is array<int>, expected numbers"),
    ({"rule": "r", "in_table": "t", "key": "text"}, "table t has no column 'text'"),
    ({"rule": "r", "in_table": "t", "key": "i32"}, "'i32' is int, and string in table t"),
    ({"rule": "r", "in_table": "t", "key": "ui"}, "no column 'ui', did you mean 'uid'?"),
]  # fmt: skip


def faults_of(spark: SparkSession, rules: list[dict[str, Any]]) -> list[str]:
    odd = "ids array<int>, tree struct<a: int>, bytes binary"
    columns = spark.createDataFrame([], f"{SCHEMA}, {odd}").schema
    parsed = RULES.validate_python(rules)
    table = spark.createDataFrame([], "uid string, i32 string, i8 bigint").schema
    return rule_faults(parsed, columns, dict.fromkeys(rules_of_kind(parsed, InTable), table))


@pytest.mark.parametrize(("rule", "message"), FAULTS, ids=range(len(FAULTS)))
def test_rules_that_do_not_fit_their_column(
    spark: SparkSession, rule: dict[str, Any], message: str
) -> None:
    (fault,) = faults_of(spark, [rule])
    assert message in fault
    inside = {"rule": "o", "any_of": [{"rule": "p", "all_of": [rule]}]}
    (fault,) = faults_of(spark, [inside])
    assert fault.startswith("rule 'o', in it 'p', in it 'r': ")
    assert message in fault


def test_all_faults_are_named_at_once(spark: SparkSession) -> None:
    rules = [rule | {"rule": f"r{k}"} for k, (rule, _) in enumerate(FAULTS)]
    assert len(faults_of(spark, rules)) == len(FAULTS)


@pytest.mark.parametrize(
    "rule",
    [
        compare("ids", "is_null", True),
        compare("tree", "is_null", False),
        compare("i32", ">", 1.5),
        compare("i64", "==", 2.0),
        compare("f32", "<", 1),
        compare("f32", "<", math.inf),
        compare("day", "==", date(2024, 1, 1)),
        compare("time", ">=", "2024-01-01"),
        {"rule": "r", "in_table": "t", "key": "i8"},
    ],
)
def test_rules_that_fit(spark: SparkSession, rule: dict[str, Any]) -> None:
    assert faults_of(spark, [rule]) == []


def test_datacomps_published_thresholds(spark: SparkSession, cases: Path) -> None:
    """Of scores in float32, rows at a threshold among them: those that DataComp's code keeps."""
    folder = cases / "datacomp_filters"
    keep = pq.read_table(folder / "expected_keep.parquet").to_pandas()
    scores = {}
    for file in keep["file"].unique():
        (path,) = folder.glob(f"input_metadata/*{Path(str(file)).stem}*.parquet")
        table = pq.read_table(path)
        scores[file] = {a: table[f"clip_{a}_similarity_score"].to_pylist() for a in ("b32", "l14")}
    places = list(zip(keep["file"], keep["row"], strict=True))
    rows = [
        (f"{file} {row}", scores[file]["b32"][row], scores[file]["l14"][row])
        for file, row in places
    ]
    frame = spark.createDataFrame(rows, "uid string, b32 float, l14 float").cache()
    runs = json.loads((folder / "expected_runs.json").read_text())
    runs = [run for run in runs if run["name"] == "clip_score" and "threshold" in run]
    assert len(runs) == 8
    for run in runs:
        rules = [{"rule": "r", "column": run["arch"], "op": ">=", "value": run["threshold"]}]
        kept = {row.uid for row in judged(frame, rules).kept().collect()}
        right = keep[keep[f"run{run['run']}"]]
        assert len(right) == run["rows"]
        assert kept == {
            f"{file} {row}" for file, row in zip(right["file"], right["row"], strict=True)
        }
    equal = [row for row in rows if row[2] == float(np.float32(0.26))]
    assert len(equal) > 1
    frame.unpersist()
