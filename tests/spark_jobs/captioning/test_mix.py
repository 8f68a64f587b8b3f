"""Mixes against the published variants, and against a slow, obvious reference on made-up pools."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.captioning import mix_cutoffs
from spark_jobs.captioning.mix import Mixed, mix
from spark_jobs.captioning.mix_cutoffs import kth_smallest_text
from spark_jobs.captioning.mix_expression import parse_mix
from spark_jobs.captioning.mix_sources import SourceColumns
from spark_jobs.core.draws import Draw

SOURCES = {"raw": SourceColumns("raw", "raw_score"), "blip2": SourceColumns("blip2", "blip2_score")}
POOL = (
    "uid string, raw string, raw_score float, blip2 string, blip2_score float, in1k_cluster boolean"
)


RULES = {"value": "value", "exact": "rank"}


def expression(variant: dict[str, Any]) -> str:
    """A variant of the case as an expression."""
    kind = variant["kind"]
    text = {
        "only": lambda: variant["source"],
        "top": lambda: f"{variant['source']} top {variant['fraction']}",
        "threshold": lambda: f"{variant['source']} >= {variant['at_least']}",
        "best": lambda: f"best({', '.join(variant['sources'])})",
        "mix": lambda: f"{variant['first']} top {variant['fraction']} else {variant['second']}",
        "chain": lambda: " else ".join(
            s["source"] + ("" if s.get("fraction") is None else f" top {s['fraction']}")
            for s in variant["steps"]
        ),
    }[kind]()
    if kind == "best" and variant.get("fraction") is not None:
        text += f" top {variant['fraction']}"
    second = variant.get("second_filter")
    if second is not None:
        text += " >= same" if second == "same threshold" else f" top {second}"
    return text + (" where in1k_cluster" if variant.get("cluster") else "")


def mixed(pool: DataFrame, text: str, rule: Any = "value") -> Mixed:
    return mix(
        pool, parse_mix(text), SOURCES, rule=rule, draw=Draw("mix-captions", 0), separator=" "
    )


@pytest.mark.parametrize("part", ["of 0.3", pytest.param("others", marks=pytest.mark.slow)])
def test_the_published_variants(spark: SparkSession, cases: Path, part: str) -> None:
    folder = cases / "caption_mixes"
    pool = spark.read.parquet(str(folder / "input_pool.parquet")).coalesce(1)
    variants = json.loads((folder / "expected_variants.json").read_text())
    expected = pq.read_table(folder / "expected_choice.parquet").to_pylist()
    assert len(variants) == 45
    for variant in variants:
        name = variant["name"]
        if (("0.3_" in name and "value" in name) or "in1k" in name) != (part == "of 0.3"):
            continue
        one = mixed(pool, expression(variant), RULES[variant.get("rule", "value")])
        rows = one.results.rows.select(
            "uid", one.source().alias("source"), one.results.failed_rule.alias("why")
        ).collect()
        chosen = {row.uid: None if row.why else row.source for row in rows}
        assert chosen == {row["uid"]: row[name] for row in expected}, name
        missing = sum(row.why == "missing_caption" for row in rows)
        assert missing == variant["dropped_for_missing_caption"], name
        if variant.get("threshold") is not None and variant["kind"] != "threshold":
            assert one.thresholds[0] == variant["threshold"], name


def pools(seed: int) -> list[dict[str, Any]]:
    """Rows of few distinct scores, with nulls, NaN and empty captions."""
    draws = np.random.default_rng(seed)
    scores = [None, math.nan, -0.0, 0.0, *(float(np.float32(s)) for s in draws.random(6))]
    return [
        {
            "uid": f"u{draws.integers(1 << 30):x}-{number}",
            **{
                key: value
                for name in SOURCES
                for key, value in {
                    name: [None, "", f"{name} {number}", f"{name} {number}"][draws.integers(4)],
                    f"{name}_score": scores[draws.integers(len(scores))],
                }.items()
            },
            "in1k_cluster": [None, True, False][draws.integers(3)],
        }
        for number in range(int(draws.integers(1, 60)))
    ]


def has_score(row: dict[str, Any], name: str) -> bool:
    return row[f"{name}_score"] is not None and not math.isnan(row[f"{name}_score"])


def top_of(
    rows: list[dict[str, Any]], name: str, fraction: float, rule: str
) -> tuple[set[str], Any]:
    """(uids in the top, threshold), by sorting everything."""
    scored = sorted(
        (row for row in rows if has_score(row, name)),
        key=lambda row: (-row[f"{name}_score"], row["uid"]),
    )
    n_wanted = int(len(rows) * fraction)
    if rule == "rank":
        top = scored[:n_wanted]
        return {row["uid"] for row in top}, top[-1][f"{name}_score"] if top else None
    place = len(scored) - 1 if n_wanted == len(rows) else n_wanted
    if not 0 <= place < len(scored):
        return set(), None
    threshold = scored[place][f"{name}_score"]
    return {row["uid"] for row in scored if row[f"{name}_score"] >= threshold}, threshold


@pytest.mark.parametrize("rule", ["value", "rank"])
@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(s, marks=pytest.mark.slow) for s in range(2, 10))]
)
def test_made_up_pools(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, seed: int, rule: str
) -> None:
    """A top, then the same threshold, then another top."""
    monkeypatch.setattr(mix_cutoffs.kth_smallest_text, "__defaults__", (2,))
    rows = pools(seed)
    first, second = [0.0, 0.3, 0.5, 1.0][seed % 4], [0.7, 0.9][seed % 2]
    pool = spark.createDataFrame([tuple(row.values()) for row in rows], POOL).coalesce(1)
    text = f"raw top {first} else blip2 >= same else raw top {second} where in1k_cluster"
    one = mixed(pool, text, rule)
    in_first, threshold = top_of(rows, "raw", first, rule)
    in_second, _ = top_of(rows, "raw", second, rule)

    def expected(row: dict[str, Any]) -> tuple[str | None, str | None]:
        source = None
        if row["uid"] in in_first:
            source = "raw"
        elif threshold is not None and has_score(row, "blip2") and row["blip2_score"] >= threshold:
            source = "blip2"
        elif row["uid"] in in_second:
            source = "raw"
        if source is None:
            return None, "not_chosen"
        why = None if row["in1k_cluster"] else "elsewhere"
        return source, why or (None if row[source] else "missing_caption")

    collected = one.results.rows.select(
        "uid", one.source().alias("source"), one.results.failed_rule.alias("why")
    ).collect()
    assert {row.uid: (row.source, row.why) for row in collected} == {
        row["uid"]: expected(row) for row in rows
    }


def test_random_picks_by_weight_among_the_captions_there(spark: SparkSession) -> None:
    n = 4_000
    pool = spark.range(n).selectExpr(
        "md5(cast(id AS string)) AS uid",
        "concat('r', id) AS raw",
        "cast(0.5 AS float) AS raw_score",
        "if(id % 4 = 0, '', concat('b', id)) AS blip2",
        "cast(0.6 AS float) AS blip2_score",
        "true AS in1k_cluster",
    )
    one = mixed(pool, "random(raw:3, blip2)")
    rows = one.results.rows.select("uid", "blip2", *one.columns(with_list=False)).collect()
    assert all(row.caption_source == "raw" for row in rows if not row.blip2)
    share = np.mean([row.caption_source == "raw" for row in rows if row.blip2])
    assert abs(share - 0.75) < 5 * math.sqrt(0.75 * 0.25 / (n * 3 / 4))
    again = mixed(pool.repartition(3), "random(raw:3, blip2)")
    picked = again.results.rows.select("uid", again.source().alias("s")).collect()
    assert {r.uid: r.s for r in picked} == {r.uid: r.caption_source for r in rows}


def test_several_captions_and_one_of_all(spark: SparkSession) -> None:
    rows = [("u", "a", 0.1, "b", None, True), ("v", None, 0.1, "b", 0.2, True)]
    pool = spark.createDataFrame([*rows, ("w", None, None, "", None, True)], POOL)
    several = mixed(pool, "all(raw:3, blip2)")
    columns = several.columns(with_list=True)
    found = {r.uid: r for r in several.results.rows.select("uid", *columns).collect()}
    score = float(np.float32(0.1))
    assert [tuple(c) for c in found["u"].captions] == [
        ("a", "raw", score, 0.75),
        ("b", "blip2", None, 0.25),
    ]
    assert [c.weight for c in found["v"].captions] == [1.0]
    assert (found["u"].caption, found["v"].caption_source) == ("a", "blip2")
    joined = mixed(pool, "concat(raw, blip2)")
    failed = joined.results.failed_rule.alias("why")
    texts = joined.results.rows.select("uid", failed, *joined.columns(with_list=False)).collect()
    assert {r.uid: (r.caption, r.caption_source, r.why) for r in texts} == {
        "u": ("a b", "raw+blip2", None),
        "v": ("b", "blip2", None),
        "w": ("", "", "missing_caption"),
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_kth_text(spark: SparkSession, seed: int) -> None:
    draws = np.random.default_rng(seed)
    letters = ["a", "ab", "é", "\U0001f408", "z/", ""]
    texts = [
        "s3://" + "".join(letters[i] for i in draws.integers(0, 6, draws.integers(0, 7)))
        for _ in range(80)
    ]
    rows = spark.createDataFrame([(text,) for text in texts], "uid string").coalesce(1)
    in_order = sorted(texts, key=str.encode)
    for k in (1, 17, 80):
        assert kth_smallest_text(rows, "uid", k, 3) == in_order[k - 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a source, found the end"),
        ("raw top 1.2", "expected a fraction from 0 to 1, or up to 100%, found 1.2"),
        ("raw top 120%", "found 120%"),
        ("raw top x", "expected a fraction, found 'x'"),
        ("raw >= same", "there is no top before it"),
        ("raw else blip2", "raw takes every row, so what follows gets none"),
        ("raw top 0.3 blip2", "expected else, where or the end, found 'blip2'"),
        ("most(raw, blip2)", "expected best, random, concat or all before (, found 'most'"),
        ("concat(raw, blip2) top 0.3", "concat has no score of its own"),
        ("random(raw:0, blip2)", "expected a weight above 0, to 1,000,000,000, found 0"),
        ("all(raw:1e308, blip2)", "to 1,000,000,000, found 1e+308"),
        ("random(raw:inf, blip2)", "expected a number, found 'inf'"),
        ("raw >= nan", "expected a number, found 'nan'"),
        ("raw top nan", "expected a fraction from 0 to 1"),
        ("best(raw, raw)", "'raw' stands twice"),
        ("best(raw", "expected , or ), found the end"),
        ("raw top 0.3 else else", "expected a source, found 'else'"),
    ],
)
def test_what_is_no_mix(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_mix(text)


def test_a_mix_reads_as_it_was_written() -> None:
    text = "best(raw, blip2) top 0.3 else random(raw:2, blip2) >= 0.25 else blip2 >= same else raw"
    parsed = parse_mix(f"  {text}  where `a b`")
    assert (" else ".join(map(str, parsed.steps)), parsed.where) == (text, "a b")
    assert parse_mix("raw top 30%").steps[0].top == 0.3
    assert parse_mix("raw top 0.7%").steps[0].top == 0.007
