"""Examples of dropped rows: which ones, and that Spark finds them."""

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.formats.report_examples import EXAMPLE_DRAW, first_dropped_uids


def of_uids(spark: SparkSession, uids: list[str | None]) -> DataFrame:
    return spark.createDataFrame([(uid, "x") for uid in uids], "uid string, caption string")


@pytest.mark.parametrize("dropped", [[], ["d1", "d0"], [f"d{k}" for k in range(9)]])
def test_the_dropped_uids_of_the_smallest_draws(spark: SparkSession, dropped: list[str]) -> None:
    kept = [f"k{k}" for k in range(20)]
    captions = of_uids(spark, [*kept, None, *dropped, *dropped, "k3"])
    drawn = captions.select("uid", EXAMPLE_DRAW.of("uid").alias("draw")).collect()
    draw = {row["uid"]: row["draw"] for row in drawn}
    found = first_dropped_uids(captions, of_uids(spark, kept))
    assert found == sorted(dropped, key=lambda uid: (draw[uid], uid))[:5]


def test_only_examples_reach_the_driver(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten of two thousand rows are dropped, so that no row is sampled away."""
    collected: list[int] = []
    captions = spark.range(2_000).select(F.col("id").cast("string").alias("uid"))
    frames = type(captions)  # Spark 4's DataFrame is a base class
    collect = frames.collect

    def counted(rows: DataFrame) -> list:
        found = collect(rows)
        collected.append(len(found))
        return found

    monkeypatch.setattr(frames, "collect", counted)
    output = captions.where("cast(uid AS int) >= 10")
    assert len(first_dropped_uids(captions, output)) == 5
    assert collected == [5]
