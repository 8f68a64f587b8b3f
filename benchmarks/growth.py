"""How jobs' CPU time and memory grow with the rows, and how skewed their tasks are.

    python -m benchmarks.growth [FOLDER]

growth: CPU time without the JVM's compilers, beyond that of a table of two rows in two files (a
worker for each core), with sizes interleaved; its log-log slope; the largest resident memory of a
Python worker. skew: the longest task of a stage over the median one if a share of all matches is of
one entry. long_captions: captions of 1 MB. The driver heap is 1.5 GB.
"""

import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks import inputs
from benchmarks.measuring import (
    growth_rows,
    interleaved_cpu_s,
    polling,
    report,
    tree_cpu_s_without_compilers,
)
from benchmarks.spark_inputs import (
    caption_table,
    raw_captions,
    reading_pass,
    run_job,
    small_session,
)
from benchmarks.task_times import event_log_settings, log_sizes, longest_over_median

ROWS = (2, 1_000_000, 3_000_000, 10_000_000)


def main(folder: Path) -> None:
    events = folder / "events"
    keep_compilers = {"spark.driver.extraJavaOptions": "-XX:-UseDynamicNumberOfCompilerThreads"}
    spark = small_session(**event_log_settings(events), **keep_compilers)
    corpus_folder = inputs.corpus(folder, 1_000_000)
    report("growth", growth(spark, folder, corpus_folder), folder, rounds=3)
    spark.conf.set("spark.sql.files.maxPartitionBytes", "16m")  # a dozen tasks per stage
    report("skew", skew(spark, folder, corpus_folder, events), folder, rounds=3)
    report("long_captions", long_captions(spark, folder), folder)


def growth(spark: SparkSession, folder: Path, corpus_folder: Path) -> list[dict[str, Any]]:
    jobs: dict[str, Callable[[int], object]] = {
        "match-concepts, 500,000 entries": partial(
            match, spark, folder, corpus_folder / "bank_500000.json"
        ),
    }
    for name, intermediate in (("all tables", True), ("the result alone", False)):
        jobs[f"curate without dedup, 20,000: {name}"] = partial(
            curate, spark, folder, corpus_folder, intermediate=intermediate
        )
    jobs["read"] = lambda rows: reading_pass(spark, caption_table(spark, folder, rows))
    for rows in ROWS:
        caption_table(spark, folder, rows)
    table = []
    for name, job in jobs.items():
        memory_mb: dict[int, int] = dict.fromkeys(ROWS, 0)

        def run_watched(rows: int, job: Callable[[int], object], memory_mb: dict[int, int]) -> None:
            with worker_memory() as sizes:
                job(rows)
            memory_mb[rows] = max(memory_mb[rows], max(sizes) // 2**20)

        sides = {str(rows): partial(run_watched, rows, job, memory_mb) for rows in ROWS}
        seconds_by_rows = interleaved_cpu_s(
            sides, rounds=3, warm_up=2, clock=tree_cpu_s_without_compilers
        )
        medians = {int(n): statistics.median(seconds) for n, seconds in seconds_by_rows.items()}
        table += [
            {"job": name, **row, "worker MB": memory_mb[row["rows"]]}
            for row in growth_rows(medians)
        ]
    return table


def match(spark: SparkSession, folder: Path, bank: Path, rows: int) -> None:
    run_job(
        "match_concepts",
        captions=caption_table(spark, folder, rows),
        bank=str(bank),
        output=str(folder / "out/matches"),
        entry_counts=str(folder / "out/entry_counts"),
    )


def curate(
    spark: SparkSession, folder: Path, corpus_folder: Path, rows: int, *, intermediate: bool
) -> None:
    run_job(
        "curate",
        input=raw_captions(spark, folder, rows),
        bank=str(corpus_folder / "bank_20000.json"),
        t=200,
        dedup="none",
        report=False,
        intermediate=intermediate,
        output=str(folder / ("curated" if intermediate else "curated_alone")),
    )


@contextmanager
def worker_memory() -> Iterator[list[int]]:
    """Context that collects the resident bytes of Python workers every 50 ms."""
    sizes = [0]

    def poll() -> None:
        for process in psutil.Process().children(recursive=True):
            try:
                if process.name().startswith("python"):
                    sizes.append(process.memory_info().rss)
            except psutil.Error:
                continue

    with polling(poll):
        yield sizes


def skew(
    spark: SparkSession, folder: Path, corpus_folder: Path, events: Path
) -> list[dict[str, Any]]:
    """Task skew by the head entry's share of all matches.

    Each run's largest ratio depends on a single task, so the median of 3 runs is reported.
    """
    table = []
    head = inputs.bank(corpus_folder, 20_000)[0]
    captions = spark.read.format("delta").load(caption_table(spark, folder, 3_000_000))
    matches_per_caption = 2.0  # in the corpus
    address, out = str(folder / "skewed"), str(folder / "out_skewed")
    for share in (0.01, 0.5, 0.9):
        # With n matches in each other caption, a fraction x of captions that are the head entry has
        # this share of all matches: x / (x + (1 - x) * n) = share.
        x = share * matches_per_caption / (1 - share + share * matches_per_caption)
        is_head = F.pmod(F.xxhash64("uid"), F.lit(10_000)) < int(10_000 * x)
        skewed = captions.withColumn("caption", F.when(is_head, head).otherwise(F.col("caption")))
        even = skewed.repartition(
            16
        )  # files of one row group each, so that tasks read the same amount
        even.write.format("delta").mode("overwrite").save(address)
        worst_stages = []
        for turn in range(4):
            before = log_sizes(events)
            match_then_balance(corpus_folder, address, out)
            if turn:  # the first run warms up workers and code
                worst_stages.append(max(longest_over_median(events, before), default=(1.0, 0)))
        counts = spark.read.format("delta").load(f"{out}/entry_counts")
        head_matches, all_matches = counts.agg(F.max("entry_count"), F.sum("entry_count")).first()
        ratio, tasks = statistics.median_low(worst_stages)
        table.append(
            {
                "share of one entry": head_matches / all_matches,
                "longest task / median": ratio,
                "tasks of that stage": tasks,
            }
        )
    return table


def match_then_balance(corpus_folder: Path, captions: str, out: str) -> None:
    counts = {"entry_counts": f"{out}/entry_counts"}
    matches = f"{out}/matches"
    bank = str(corpus_folder / "bank_20000.json")
    run_job("match_concepts", captions=captions, bank=bank, carry=True, output=matches, **counts)
    outputs = {"output": f"{out}/balanced", "probabilities": f"{out}/probabilities"}
    run_job("balance_captions", captions=matches, matches=matches, t=200, **counts, **outputs)


def long_captions(spark: SparkSession, folder: Path) -> list[dict[str, Any]]:
    rows, address = 10_000, str(folder / "long")
    caption = "substring(repeat(concat('a photo of cat ', id, ', dog. '), 60000), 1, 1048576)"
    long = spark.range(0, rows, 1, 8).selectExpr("concat('u', id) uid", f"{caption} caption")
    long.write.format("delta").mode("overwrite").save(address)
    bank = folder / "long_bank.txt"
    bank.write_text("cat\ndog\nphoto of\n")
    with worker_memory() as sizes:
        summary = run_job(
            "match_concepts",
            captions=address,
            bank=str(bank),
            output=str(folder / "long_matches"),
        )
    return [
        {
            "rows": rows,
            "bytes each": 1 << 20,
            "matches": summary.counts["matches"],
            "s": summary.seconds,
            "worker MB": max(sizes) // 2**20,
        }
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
