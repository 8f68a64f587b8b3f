"""How jobs grow with the rows, what memory they take, and how even their tasks are.

    python -m benchmarks.growth [FOLDER]

CPU time beyond that of a table of two rows in two files (a worker for each core), less the JVM's
compilers, sizes in turn, its log-log slope; the largest resident memory of a Python worker; the
longest task of a stage over the median one, where a share of all matches is of one entry. A driver
heap of 1.5 GB.
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
    grown,
    interleaved,
    meanwhile,
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
from benchmarks.task_times import log_sizes, logged, longest_over_median

ROWS = (2, 1_000_000, 3_000_000, 10_000_000)


def main(folder: Path) -> None:
    events = folder / "events"
    keep_compilers = {"spark.driver.extraJavaOptions": "-XX:-UseDynamicNumberOfCompilerThreads"}
    spark = small_session(**logged(events), **keep_compilers)
    made = inputs.corpus(folder, 1_000_000)
    report("growth", growth(spark, folder, made), folder)
    spark.conf.set("spark.sql.files.maxPartitionBytes", "16m")  # a dozen tasks a stage
    report("skew", skew(spark, folder, made, events), folder)
    report("long_captions", long_captions(spark, folder), folder)


def growth(spark: SparkSession, folder: Path, made: Path) -> list[dict[str, Any]]:
    jobs: dict[str, Callable[[int], object]] = {
        "match, 500,000 entries": partial(match, spark, folder, made / "bank_500000.json"),
    }
    for name, intermediate in (("five tables", True), ("the result alone", False)):
        jobs[f"curate without dedup, 20,000: {name}"] = partial(
            curate, spark, folder, made, intermediate=intermediate
        )
    jobs["read"] = lambda rows: reading_pass(spark, caption_table(spark, folder, rows))
    for rows in ROWS:
        caption_table(spark, folder, rows)
    found = []
    for name, job in jobs.items():
        memory: dict[int, int] = dict.fromkeys(ROWS, 0)

        def watched(rows: int, job: Callable[[int], object], memory: dict[int, int]) -> None:
            with watched_workers() as seen:
                job(rows)
            memory[rows] = max(memory[rows], max(seen) // 2**20)

        sides = {str(rows): partial(watched, rows, job, memory) for rows in ROWS}
        taken = interleaved(sides, rounds=3, warm_up=2, clock=tree_cpu_s_without_compilers)
        medians = {int(rows): statistics.median(seconds) for rows, seconds in taken.items()}
        found += [{"job": name, **row, "worker MB": memory[row["rows"]]} for row in grown(medians)]
    return found


def match(spark: SparkSession, folder: Path, bank: Path, rows: int) -> None:
    run_job(
        "match_concepts",
        captions=caption_table(spark, folder, rows),
        bank=str(bank),
        output=str(folder / "out/matches"),
        entry_counts=str(folder / "out/entry_counts"),
    )


def curate(spark: SparkSession, folder: Path, made: Path, rows: int, *, intermediate: bool) -> None:
    run_job(
        "curate",
        input=raw_captions(spark, folder, rows),
        bank=str(made / "bank_20000.json"),
        t=200,
        dedup="none",
        report=False,
        intermediate=intermediate,
        output=str(folder / ("curated" if intermediate else "curated_alone")),
    )


@contextmanager
def watched_workers() -> Iterator[list[int]]:
    """The resident bytes of Python workers, seen every 50 ms."""
    seen = [0]

    def look() -> None:
        for process in psutil.Process().children(recursive=True):
            try:
                if process.name().startswith("python"):
                    seen.append(process.memory_info().rss)
            except psutil.Error:
                continue

    with meanwhile(look):
        yield seen


def skew(spark: SparkSession, folder: Path, made: Path, events: Path) -> list[dict[str, Any]]:
    """The largest ratio of a run is that of one task among hundreds, so the median of 3 runs."""
    found = []
    head = inputs.bank(made, 20_000)[0]
    captions = spark.read.format("delta").load(caption_table(spark, folder, 3_000_000))
    per_caption = 2.0  # matches of a caption of the corpus
    address, out = str(folder / "skewed"), str(folder / "out_skewed")
    for share in (0.01, 0.5, 0.9):
        # of n captions a share x has the head entry alone: x / (x + (1 - x) * per_caption) = share
        x = share * per_caption / (1 - share + share * per_caption)
        is_head = F.pmod(F.xxhash64("uid"), F.lit(10_000)) < int(10_000 * x)
        skewed = captions.withColumn("caption", F.when(is_head, head).otherwise(F.col("caption")))
        even = skewed.repartition(16)  # files of one row group each, so that tasks read alike
        even.write.format("delta").mode("overwrite").save(address)
        worst = []
        for turn in range(4):
            before = log_sizes(events)
            match_then_balance(made, address, out)
            if turn:  # workers and code are warm only now
                worst.append(max(longest_over_median(events, before), default=(1.0, 0)))
        counts = spark.read.format("delta").load(f"{out}/entry_counts")
        of_head, of_all = counts.agg(F.max("entry_count"), F.sum("entry_count")).first()
        ratio, tasks = statistics.median_low(worst)
        found.append(
            {
                "head share": of_head / of_all,
                "longest task / median": ratio,
                "tasks of that stage": tasks,
            }
        )
    return found


def match_then_balance(made: Path, captions: str, out: str) -> None:
    counted = {"entry_counts": f"{out}/entry_counts"}
    matches = f"{out}/matches"
    bank = str(made / "bank_20000.json")
    run_job("match_concepts", captions=captions, bank=bank, carry=True, output=matches, **counted)
    balanced = {"output": f"{out}/balanced", "probabilities": f"{out}/probabilities"}
    run_job("balance_captions", captions=matches, matches=matches, t=200, **counted, **balanced)


def long_captions(spark: SparkSession, folder: Path) -> list[dict[str, Any]]:
    rows, address = 10_000, str(folder / "long")
    caption = "substring(repeat(concat('a photo of cat ', id, ', dog. '), 60000), 1, 1048576)"
    long = spark.range(0, rows, 1, 8).selectExpr("concat('u', id) uid", f"{caption} caption")
    long.write.format("delta").mode("overwrite").save(address)
    bank = folder / "long_bank.txt"
    bank.write_text("cat\ndog\nphoto of\n")
    with watched_workers() as memory:
        done = run_job(
            "match_concepts",
            captions=address,
            bank=str(bank),
            output=str(folder / "long_matches"),
        )
    return [
        {
            "rows": rows,
            "bytes each": 1 << 20,
            "matches": done.counts["matches"],
            "s": done.seconds,
            "worker MB": max(memory) // 2**20,
        }
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
