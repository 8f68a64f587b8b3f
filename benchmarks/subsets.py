"""Subsets by class: skewed classes beside even ones, growth with the rows, and pandas.

    python -m benchmarks.subsets [FOLDER [ROUNDS]]

Each subset is a whole job with its Delta table, beyond that on one row; CPU time, median of the
ratios of the rounds. Driver and executor have 2 GB together. The published way: a boolean mask per
class over a pandas frame, which is read once.
"""

import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks.measuring import ROUNDS, cpu_s, grown, interleaved, report
from benchmarks.spark_inputs import run_job, small_session
from benchmarks.task_times import log_sizes, logged, longest_over_median

CLASSES = 1_000
# The first has ten rows a class: what each class costs is start-up.
ROWS = (10_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000)
SKEWED_ROWS = 10_000_000
PANDAS_ROWS = 3_000_000
PER_CLASS = 500


def main(folder: Path, rounds: int) -> None:
    events = folder / "events"
    spark = small_session(**logged(events) | {"spark.driver.memory": "2g"})
    report("subset_skew", skew(spark, folder, rounds, events), folder)
    report("subset_growth", growth(spark, folder), folder)
    report("subset_pandas", beside_pandas(spark, folder, rounds), folder)
    spark.stop()


def labelled(spark: SparkSession, folder: Path, rows: int, *, is_skewed: bool = False) -> str:
    """A table of rows of CLASSES classes, of even size or with nine tenths in one."""
    address = folder / f"labelled_{rows}{'_skewed' if is_skewed else ''}"
    if not (address / "_delta_log").exists():
        number = F.pmod(F.xxhash64("id", F.lit(1)), F.lit(CLASSES))
        if is_skewed:
            is_head = F.pmod(F.xxhash64("id", F.lit(2)), F.lit(10)) > 0
            number = F.when(is_head, 0).otherwise(number)
        made = spark.range(0, rows, 1, max(1, min(16, rows))).select(
            F.md5(F.col("id").cast("string")).alias("uid"),
            F.concat(F.lit("a photo of class "), number, F.lit(", number "), "id").alias("caption"),
            F.format_string("n%08d", number).alias("wnid"),
        )
        made.write.format("delta").save(str(address))
    return str(address)


def share_of_each(folder: Path, table: str) -> None:
    run_job(
        "sample_subset", input=table, fraction=0.1, stratified=True, output=str(folder / "share")
    )


def as_many_of_each(folder: Path, table: str) -> None:
    run_job(
        "match_frequencies",
        sources=[table],
        shape="flat",
        rows=PER_CLASS * CLASSES,
        output=str(folder / "flat"),
    )


JOBS = {"a tenth of each class": share_of_each, "500 of each class": as_many_of_each}


def skew(spark: SparkSession, folder: Path, rounds: int, events: Path) -> list[dict[str, Any]]:
    even = labelled(spark, folder, SKEWED_ROWS)
    skewed = labelled(spark, folder, SKEWED_ROWS, is_skewed=True)
    one = labelled(spark, folder, 1)
    found = []
    for name, job in JOBS.items():
        sides = {"one": partial(job, folder, one), "even": partial(job, folder, even)}
        taken = interleaved({**sides, "skewed": partial(job, folder, skewed)}, rounds=rounds)
        start_up = statistics.median(taken["one"])
        ratios = [
            (s - start_up) / (e - start_up)
            for s, e in zip(taken["skewed"], taken["even"], strict=True)
        ]
        before = log_sizes(events)
        job(folder, skewed)
        worst = max(longest_over_median(events, before), default=(1.0, 0))
        found.append(
            {
                "subset": name,
                "rows": SKEWED_ROWS,
                "even, cpu s": statistics.median(taken["even"]) - start_up,
                "skewed / even": statistics.median(ratios),
                "longest task / median": worst[0],
                "tasks of that stage": worst[1],
                "start-up s": start_up,
            }
        )
    return found


def growth(spark: SparkSession, folder: Path) -> list[dict[str, Any]]:
    job, taken = JOBS["a tenth of each class"], {}
    for _ in range(3):  # code that is still being compiled would be counted with the smallest
        job(folder, labelled(spark, folder, ROWS[3]))
    for rows in ROWS:
        work = partial(job, folder, labelled(spark, folder, rows))
        work()
        taken[rows] = statistics.median(cpu_s(work) for _ in range(3))
    return grown(taken)


def beside_pandas(spark: SparkSession, folder: Path, rounds: int) -> list[dict[str, Any]]:
    table, one = labelled(spark, folder, PANDAS_ROWS), labelled(spark, folder, 1)
    begun = time.process_time()
    frame = pd.read_parquet(table)
    read_s = time.process_time() - begun
    job = JOBS["a tenth of each class"]
    sides = {
        "pandas": partial(masks, frame, folder),
        "one": partial(job, folder, one),
        "ours": partial(job, folder, table),
    }
    taken = interleaved(sides, rounds=rounds)
    start_up = statistics.median(taken["one"])
    ratios = [
        (p + read_s) / (o - start_up) for p, o in zip(taken["pandas"], taken["ours"], strict=True)
    ]
    return [
        {
            "rows": PANDAS_ROWS,
            "classes": CLASSES,
            "pandas, cpu s": statistics.median(taken["pandas"]) + read_s,
            "captionlake, cpu s": statistics.median(taken["ours"]) - start_up,
            "times": statistics.median(ratios),
            "start-up s": start_up,
        }
    ]


def masks(frame: pd.DataFrame, folder: Path) -> None:
    parts = []
    for wnid in sorted(frame["wnid"].unique()):
        rows = frame[frame["wnid"] == wnid]
        parts.append(rows.sample(len(rows) // 10, random_state=42))
    pd.concat(parts).to_parquet(folder / "masks.parquet")


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS,
    )
