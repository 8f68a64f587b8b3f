"""Classes of neighbours against a slow reading of the rules, on many generated ties."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spark_jobs.neighbours.assign import assign, assign_greedily, with_query_classes

NAN = float("nan")


def generated(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Items of few classes, some of equal order, and neighbours of few similarities."""
    draws = np.random.default_rng(seed)
    n_items = int(draws.integers(1, 14))
    ids = [f"q{k}" for k in draws.permutation(n_items)]
    items = pd.DataFrame({"query_id": ids, "wnid": draws.choice([*"dbac"], n_items)})
    items["place"] = draws.integers(0, max(2, n_items // 2), n_items)
    rows = []
    for query in [*ids, "of nobody"]:
        similarity = draws.choice([0.5, 0.75, 0.8, 0.9, NAN], 4, p=[0.3, 0.3, 0.2, 0.15, 0.05])
        uids = draws.choice(9, 4, replace=False)
        rows += [
            (query, f"u{u}", rank, s)
            for rank, (u, s) in enumerate(zip(uids, similarity, strict=True))
        ]
    return pd.DataFrame(rows, columns=["query_id", "uid", "rank", "similarity"]), items


def expected(neighbours: pd.DataFrame, items: pd.DataFrame, rule: str) -> set[tuple[str, str]]:
    """(wnid, uid), item after item in their order, and neighbour after neighbour."""
    classes = dict(zip(items["query_id"], items["wnid"], strict=True))
    place = dict(zip(items["query_id"], items["place"], strict=True))
    seen = [row for row in neighbours.to_dict("records") if row["query_id"] in classes]
    seen.sort(key=lambda row: (place[row["query_id"]], row["query_id"], row["rank"]))
    if rule == "union":
        return {(classes[row["query_id"]], row["uid"]) for row in seen}
    if rule == "greedy":
        taken: dict[str, str] = {}
        served = set()
        for row in seen:
            if row["query_id"] not in served and row["uid"] not in taken:
                served.add(row["query_id"])
                taken[row["uid"]] = classes[row["query_id"]]
        return {(wnid, uid) for uid, wnid in taken.items()}
    of_uid: dict[str, dict[str, float]] = {}
    for row in seen:
        wnid, value = classes[row["query_id"]], row["similarity"]
        value = -2.0 if np.isnan(value) else value
        of_class = of_uid.setdefault(row["uid"], {})  # keeps the order in which classes are seen
        if rule == "most_similar_published":
            of_class[wnid] = value  # of its last item
        else:
            of_class[wnid] = max(value, of_class.get(wnid, -2.0))
    return {(max(of, key=of.__getitem__), uid) for uid, of in of_uid.items()}


@pytest.mark.parametrize("rule", ["union", "greedy", "most_similar", "most_similar_published"])
def test_rules_on_generated_ties(
    spark: SparkSession, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty cases in one table, told apart by their ids, so that none touches another."""
    monkeypatch.setattr("spark_jobs.neighbours.assign._PAIRS_PER_PARTITION", 300)
    of_neighbours, of_items, wanted = [], [], set()
    for number in range(60):
        neighbours, items = generated(number)
        wanted |= {(wnid, f"{number:02}{uid}") for wnid, uid in expected(neighbours, items, rule)}
        for table in (neighbours, items):
            for name in {"query_id", "uid"} & set(table.columns):
                table[name] = f"{number:02}" + table[name]
        of_neighbours.append(neighbours)
        of_items.append(items)
    shuffled = pd.concat(of_neighbours).sample(frac=1, random_state=0)
    rows = spark.createDataFrame(
        shuffled, "query_id string, uid string, rank int, similarity float"
    )
    classes = spark.createDataFrame(pd.concat(of_items))
    of_classes = with_query_classes(rows.repartition(3), classes, "query_id", "place")
    assigned = assign(of_classes, rule, n_rows=len(shuffled))
    assert {(row.wnid, row.uid) for row in assigned.collect()} == wanted


def test_greedy_as_batches_pass_by() -> None:
    """Many items that want the same few rows, cut into batches anywhere."""
    draws = np.random.default_rng(0)
    for n_items, n_rows, k in ((300, 150, 20), (200, 1_000, 5), (50, 3, 3)):
        pairs = [
            (f"q{item:04}", f"u{row}", f"n{item % 7}")
            for item in range(n_items)
            for row in draws.permutation(n_rows)[:k]
        ]
        expected: dict[str, str] = {}
        served = set()
        for query, uid, wnid in pairs:
            if query not in served and uid not in expected:
                served.add(query)
                expected[uid] = wnid
        columns = map(pa.array, zip(*pairs, strict=True))
        table = pa.table([*columns], names=["query_id", "uid", "wnid"])
        for rows in (1, 7, 10_000):
            assert assign_greedily(table.to_batches(max_chunksize=rows)) == expected
        assert len(expected) <= min(n_items, n_rows)
