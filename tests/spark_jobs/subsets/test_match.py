"""Frequency matching: the published counts, and a slow reference on made-up sources."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.draws import Draw
from spark_jobs.subsets.match import match_frequencies, union_parts


@pytest.mark.slow
def test_published_counts(spark: SparkSession, cases: Path) -> None:
    """Rows that both sources hold are taken once, which the published code does not see to."""
    folder = cases / "match_freq"
    expected = pd.read_parquet(folder / "expected_counts.parquet").set_index("wnid")
    tables = [pd.read_parquet(folder / f"input_{name}.parquet") for name in ("main", "t2t")]
    sources = {
        name: spark.createDataFrame(table.assign(uid=table["row_id"].astype(str)))
        for name, table in zip(("laionet", "laionet-t2t"), tables, strict=True)
    }
    index = pd.read_parquet(folder / "input_target.parquet")["ic_index"]
    target = Counter(index.str.partition("_")[0])
    assert target == expected[expected["target"] > 0]["target"].to_dict()
    found = match_frequencies(sources, "wnid", dict(target), draw=Draw("test", 0))
    rows = union_parts(found.parts).toPandas()
    assert rows["uid"].is_unique
    main = rows[rows["taken_from"] == "laionet"]
    assert main["wnid"].value_counts().to_dict() == {
        wnid: n for wnid, n in expected["take_main"].items() if n
    }
    other = rows[rows["taken_from"] == "laionet-t2t"]["wnid"].value_counts()
    taken_twice = 0
    for wnid, row in expected[expected["target"] > 0].iterrows():
        t2t = tables[1][tables[1]["wnid"] == wnid]["row_id"].astype(str)
        free = (~t2t.isin(main["uid"])).sum()
        assert other.get(wnid, 0) == min(row["target"] - row["take_main"], free)
        taken_twice += row["take_t2t"] - other.get(wnid, 0)
        assert found.available[0].get(wnid, 0) == row["available_main"]
    assert 0 <= taken_twice <= 4
    certain = pd.read_parquet(folder / "expected_certain_rows.parquet")
    certain = certain[certain["source"] == "laionet"]
    assert set(zip(certain["row_id"].astype(str), certain["wnid"], strict=True)) <= set(
        zip(main["uid"], main["wnid"], strict=True)
    )


def made_up(draws: np.random.Generator, first: int, n: int) -> pd.DataFrame:
    """Some uids under two classes, which make n rows a few more."""
    classes = [f"c{k}" for k in np.floor(draws.random(n) ** 3 * 12)]
    rows = pd.DataFrame({"uid": [f"u{first + k}" for k in range(n)], "wnid": classes})
    again = rows.sample(n // 20, random_state=int(draws.integers(1000)))
    again = again.assign(wnid=[f"c{k}" for k in draws.integers(0, 12, len(again))])
    return pd.concat([rows, again]).drop_duplicates().reset_index(drop=True)


def plain(tables: list[pd.DataFrame], target: dict[str, int]) -> set[tuple[int, str, str]]:
    """(source, uid, class), source after source and class after class. tables: with draw."""
    taken: set[tuple[int, str, str]] = set()
    used: set[str] = set()
    for number, table in enumerate(tables):
        free = table[table["wnid"].isin(target) & ~table["uid"].isin(used)]
        sizes = free["wnid"].value_counts()
        one_class: dict[str, str] = {}
        for uid, wnid in zip(free["uid"], free["wnid"], strict=True):
            before = one_class.get(uid, wnid)
            one_class[uid] = min(before, wnid, key=lambda key: (sizes[key], key))
        draw = dict(zip(free["uid"], free["draw"], strict=True))
        for wnid, n in target.items():
            missing = n - sum(of == wnid for _, _, of in taken)
            mine = sorted((uid for uid, of in one_class.items() if of == wnid), key=draw.get)
            taken |= {(number, uid, wnid) for uid in mine[:missing]}
        used |= {uid for _, uid, _ in taken}
    return taken


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_against_the_slow_way(spark: SparkSession, seed: int) -> None:
    draws = np.random.default_rng(seed)
    made = [made_up(draws, 0, 1_500), made_up(draws, 1_200, 700), made_up(draws, 100, 300)]
    sources = {f"s{k}": spark.createDataFrame(table) for k, table in enumerate(made)}
    target = {f"c{k}": int(draws.integers(0, 250)) for k in range(10)}
    found = match_frequencies(sources, "wnid", target, draw=Draw("test", seed))
    rows = union_parts(found.parts).collect()
    told = {(int(row.taken_from[1:]), row.uid, row.wnid) for row in rows}
    assert len(rows) == len(told) == len({row.uid for row in rows})
    tables = [
        source.withColumn("draw", Draw("test", seed).of("uid")).toPandas()
        for source in sources.values()
    ]
    assert told == plain(tables, target)
    counts = Counter(row.wnid for row in rows)
    assert all(counts[key] <= n for key, n in target.items())
    assert {k: sum(got[k] for got in found.taken) for k in target} == {k: counts[k] for k in target}


def test_which_copy_of_a_key_stays_is_by_its_content(spark: SparkSession) -> None:
    copies = [(f"u{k}", "dog", text) for k in range(20) for text in "abcdef"]
    kept = []
    for order, n in ((copies, 1), (copies[::-1], 3)):
        rows = spark.createDataFrame(order, "uid string, wnid string, caption string")
        sources = {"s": rows.repartition(n)}
        found = match_frequencies(sources, "wnid", {"dog": 50}, draw=Draw("test", 0))
        kept.append(sorted((r.uid, r.caption) for r in union_parts(found.parts).collect()))
    assert len(kept[0]) == 20
    assert kept[0] == kept[1]
    assert len({caption for _, caption in kept[0]}) > 1  # none is preferred by its text


def test_columns_of_one_source_alone(spark: SparkSession) -> None:
    one: DataFrame = spark.createDataFrame([("u", "a", 1)], "uid string, wnid string, n int")
    two = spark.createDataFrame([("v", "a", "x")], "uid string, wnid string, url string")
    found = match_frequencies(
        {"one": one, "two": two}, "wnid", {"a": 5, "b": 1}, draw=Draw("test", 0)
    )
    rows = union_parts(found.parts)
    assert {tuple(row) for row in rows.select("uid", "n", "url", "taken_from").collect()} == {
        ("u", 1, None, "one"),
        ("v", None, "x", "two"),
    }
