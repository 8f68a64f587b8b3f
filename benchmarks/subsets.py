"""Subsets by class: skewed compared with even classes, growth with the rows, and pandas.

    python -m benchmarks.subsets [FOLDER [ROUNDS]]

Measured is the CPU time of a whole job with its Delta table, less that on one row; ratios are
medians over rounds. Driver and executor have 2 GB together. pandas stands for the published way: a
boolean mask per class over a frame, which is read once.
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

from benchmarks.measuring import ROUNDS, cpu_s, growth_rows, interleaved_cpu_s, report
from benchmarks.spark_inputs import run_job, small_session
from benchmarks.task_times import event_log_settings, log_sizes, longest_over_median

CLASSES = 1_000
# The first has ten rows per class, so the cost per class counts as start-up.
ROWS = (10_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000)
SKEWED_ROWS = 10_000_000
PANDAS_ROWS = 3_000_000
PER_CLASS = 500


def main(folder: Path, rounds: int) -> None:
    events = folder / "events"
    spark = small_session(**event_log_settings(events) | {"spark.driver.memory": "2g"})
    report("subset_skew", skew(spark, folder, rounds, events), folder, rounds=rounds)
    report("subset_growth", growth(spark, folder), folder, rounds=3)
    pandas_rows = compare_with_pandas(spark, folder, rounds)
    report("subset_pandas", pandas_rows, folder, rounds=rounds)
    spark.stop()


def labelled_table(spark: SparkSession, folder: Path, rows: int, *, is_skewed: bool = False) -> str:
    """Path of a table of CLASSES classes, of equal size or with nine tenths of the rows in one."""
    address = folder / f"labelled_{rows}{'_skewed' if is_skewed else ''}"
    if not (address / "_delta_log").exists():
        class_number = F.pmod(F.xxhash64("id", F.lit(1)), F.lit(CLASSES))
        if is_skewed:
            is_head = F.pmod(F.xxhash64("id", F.lit(2)), F.lit(10)) > 0
            class_number = F.when(is_head, 0).otherwise(class_number)
        table = spark.range(0, rows, 1, max(1, min(16, rows))).select(
            F.md5(F.col("id").cast("string")).alias("uid"),
            F.concat(F.lit("a photo of class "), class_number, F.lit(", number "), "id").alias(
                "caption"
            ),
            F.format_string("n%08d", class_number).alias("wnid"),
        )
        table.write.format("delta").save(str(address))
    return str(address)


def tenth_of_each(folder: Path, table: str) -> None:
    run_job(
        "sample_subset", input=table, fraction=0.1, stratified=True, output=str(folder / "share")
    )


def equal_number_of_each(folder: Path, table: str) -> None:
    run_job(
        "match_frequencies",
        sources=[table],
        shape="flat",
        rows=PER_CLASS * CLASSES,
        output=str(folder / "flat"),
    )


JOBS = {
    "`sample-subset`, a tenth of each class": tenth_of_each,
    "`match-frequencies`, 500 of each of 1,000 classes": equal_number_of_each,
}


def skew(spark: SparkSession, folder: Path, rounds: int, events: Path) -> list[dict[str, Any]]:
    even = labelled_table(spark, folder, SKEWED_ROWS)
    skewed = labelled_table(spark, folder, SKEWED_ROWS, is_skewed=True)
    one = labelled_table(spark, folder, 1)
    table = []
    for name, job in JOBS.items():
        sides = {"one": partial(job, folder, one), "even": partial(job, folder, even)}
        seconds_by_side = interleaved_cpu_s(
            {**sides, "skewed": partial(job, folder, skewed)}, rounds=rounds
        )
        start_up_s = statistics.median(seconds_by_side["one"])
        ratios = [
            (skewed_s - start_up_s) / (even_s - start_up_s)
            for skewed_s, even_s in zip(
                seconds_by_side["skewed"], seconds_by_side["even"], strict=True
            )
        ]
        before = log_sizes(events)
        job(folder, skewed)
        worst_ratio, n_tasks = max(longest_over_median(events, before), default=(1.0, 0))
        table.append(
            {
                "subset": name,
                "rows": SKEWED_ROWS,
                "CPU s": statistics.median(seconds_by_side["even"]) - start_up_s,
                "times that with nine tenths in one class": statistics.median(ratios),
                "longest task / median": worst_ratio,
                "tasks of that stage": n_tasks,
                "start-up s": start_up_s,
            }
        )
    return table


def growth(spark: SparkSession, folder: Path) -> list[dict[str, Any]]:
    job, seconds_by_rows = tenth_of_each, {}
    for _ in range(3):  # else the time to compile code would count for the smallest size
        job(folder, labelled_table(spark, folder, ROWS[3]))
    for rows in ROWS:
        work = partial(job, folder, labelled_table(spark, folder, rows))
        work()
        seconds_by_rows[rows] = statistics.median(cpu_s(work) for _ in range(3))
    return growth_rows(seconds_by_rows)


def compare_with_pandas(spark: SparkSession, folder: Path, rounds: int) -> list[dict[str, Any]]:
    table, one = labelled_table(spark, folder, PANDAS_ROWS), labelled_table(spark, folder, 1)
    start_s = time.process_time()
    frame = pd.read_parquet(table)
    read_s = time.process_time() - start_s
    job = tenth_of_each
    sides = {
        "pandas": partial(sample_with_masks, frame, folder),
        "one": partial(job, folder, one),
        "ours": partial(job, folder, table),
    }
    seconds_by_side = interleaved_cpu_s(sides, rounds=rounds)
    start_up_s = statistics.median(seconds_by_side["one"])
    ratios = [
        (pandas_s + read_s) / (ours_s - start_up_s)
        for pandas_s, ours_s in zip(seconds_by_side["pandas"], seconds_by_side["ours"], strict=True)
    ]
    return [
        {
            "rows": PANDAS_ROWS,
            "classes": CLASSES,
            "pandas, cpu s": statistics.median(seconds_by_side["pandas"]) + read_s,
            "captionlake, cpu s": statistics.median(seconds_by_side["ours"]) - start_up_s,
            "times": statistics.median(ratios),
            "start-up s": start_up_s,
        }
    ]


def sample_with_masks(frame: pd.DataFrame, folder: Path) -> None:
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
