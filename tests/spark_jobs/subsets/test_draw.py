"""Draws by class, against sorting every class by its draws."""

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructField

from spark_jobs.core.columns import keys
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.subsets import draw
from spark_jobs.subsets.draw import (
    class_table,
    count_classes,
    cutoffs,
    draw_per_class,
    is_within_cutoff,
)

N = 20_000


@pytest.fixture(scope="module")
def rows(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    """Classes of any size: one holds two thirds of the rows, some a handful, some rows none."""
    draws = np.random.default_rng(0)
    classes = np.floor(draws.random(N) ** 8 * 200).astype(int)
    frame = pd.DataFrame(
        {"uid": [f"{k:x}" for k in range(N)], "caption": "x", "wnid": [f"n{c}" for c in classes]}
    )
    frame.loc[draws.random(N) < 0.01, "wnid"] = None
    path = tmp_path_factory.mktemp("draw") / "rows.parquet"
    frame.to_parquet(path)
    return spark.read.parquet(str(path)).repartition(3)


def plain(rows: DataFrame, wanted: dict[str, int], draw: Draw) -> set[str]:
    """The uids of the rows with the smallest draws of each class, by sorting all."""
    drawn = rows.withColumn("draw", draw.of("uid")).toPandas()
    drawn = drawn[drawn["wnid"].notna()].sort_values(["draw", "uid"])
    nth = drawn.groupby("wnid").cumcount()
    return set(drawn[nth < drawn["wnid"].map(wanted).fillna(0)]["uid"])


@pytest.mark.parametrize("seed", [0, 7])
def test_the_first_of_each_class(rows: DataFrame, seed: int) -> None:
    draws = np.random.default_rng(seed)
    counts = count_classes(rows, "wnid")
    known = rows.where("wnid IS NOT NULL")
    assert sum(counts.values()) == known.count()
    wanted = {key: int(draws.integers(0, count * 1.2 + 1)) for key, count in counts.items()}
    found = draw_per_class(rows, "wnid", wanted, counts, draw=Draw("test", seed))
    assert found.columns == rows.columns
    uids = [row.uid for row in found.select("uid").collect()]
    assert len(uids) == sum(min(wanted[key], counts[key]) for key in counts)
    assert set(uids) == plain(rows, wanted, Draw("test", seed))


@pytest.mark.parametrize("deviations", [0.0, 0.3])
def test_what_chance_puts_elsewhere_is_found(rows: DataFrame, deviations: float) -> None:
    """Bounds so narrow that they miss many cutoffs, for which all draws are compared then."""
    counts = count_classes(rows, "wnid")
    wanted = {key: count // 2 for key, count in counts.items()}
    narrow = cutoffs(rows, "wnid", wanted, counts, draw=Draw("test", 3), deviations=deviations)
    assert narrow == cutoffs(rows, "wnid", wanted, counts, draw=Draw("test", 3))


def test_only_draws_near_the_cutoff_are_compared() -> None:
    """Of 1e8 rows those 7 standard deviations, of 5,000 rows each, around the cutoff."""
    low, high = draw._bounds(50_000_000, 100_000_000, 7)
    assert (high - low) * 1e8 == pytest.approx(70_014)
    assert (high + low) / 2 == pytest.approx(0.5)
    low, high = draw._bounds(1, 10, 7)
    assert low < 0
    assert high > 1


def test_equal_draws_go_by_key(spark: SparkSession, monkeypatch) -> None:
    from pyspark.sql import functions as F

    monkeypatch.setattr(Draw, "of", lambda *_keys: F.lit(0.25))
    rows = spark.createDataFrame([(f"u{k:03}", 1) for k in range(500)], "uid string, wnid int")
    found = draw_per_class(rows, "wnid", {1: 123}, {1: 500}, draw=Draw("test", 0))
    assert sorted(row.uid for row in found.collect()) == [f"u{k:03}" for k in range(123)]


def test_keys_of_several_captions(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [(f"u{k // 3}", k % 3, "a") for k in range(600)], "uid string, caption_id int, wnid string"
    )
    assert keys(rows) == ["uid", "caption_id"]
    found = draw_per_class(
        rows, "wnid", {"a": 200, "gone": 5}, {"a": 600}, draw=Draw("test", 0)
    ).collect()
    assert len(found) == len({(row.uid, row.caption_id) for row in found}) == 200


def test_a_class_without_a_cutoff_keeps_no_rows(spark: SparkSession) -> None:
    rows = spark.createDataFrame([("u", "a")], "uid string, wnid string")
    kind = StructField("cutoff", draw.cutoff_type(rows))
    table = class_table(rows, "wnid", {"a": (None,)}, [kind])
    joined = rows.join(table, on="wnid")
    assert (
        joined.where(is_within_cutoff(joined, joined["cutoff"], draw=Draw("test", 0))).count() == 0
    )


def test_a_column_that_holds_no_classes(rows: DataFrame, monkeypatch) -> None:
    monkeypatch.setattr(draw, "MOST_CLASSES", 100)
    with pytest.raises(InputDataError, match="column 'uid' holds more than 100 different values"):
        count_classes(rows, "uid")
