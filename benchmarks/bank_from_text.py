"""A bank from captions compared with one pass that splits them into words, and how it grows.

    python -m benchmarks.bank_from_text [FOLDER [ROWS ...]]

bank_from_text: unigrams seen 100 times, and bigrams with a PMI of 10 bits, since 2^30 words, which
the published 30 needs, are 70 million captions; CPU time of driver, JVM and workers without the
JVM's compilers, beyond that of two rows; medians of 3 rounds with sizes interleaved. The split is
Spark's, at white space, and sums the number of words.
"""

import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks.measuring import (
    growth_rows,
    interleaved_cpu_s,
    report,
    tree_cpu_s_without_compilers,
)
from benchmarks.spark_inputs import caption_table, compute_all_rows, run_job, small_session

ROWS = (1_000_000, 3_000_000, 10_000_000)


def main(folder: Path, sizes: Sequence[int]) -> None:
    keep_compilers = {"spark.driver.extraJavaOptions": "-XX:-UseDynamicNumberOfCompilerThreads"}
    spark = small_session(**keep_compilers)
    table = [row for name, job in jobs(spark, folder).items() for row in rows_of(name, job, sizes)]
    split = {row["rows"]: row["cpu s beyond"] for row in table if row["job"] == "split"}
    rows = [row | {"times the split": row["cpu s beyond"] / split[row["rows"]]} for row in table]
    report("bank_from_text", rows, folder, rounds=3)


def jobs(spark: SparkSession, folder: Path) -> dict[str, Callable[[int], object]]:
    return {
        "split": lambda rows: split_into_words(spark, caption_table(spark, folder, rows)),
        "bank": partial(build_bank, spark, folder),
    }


def rows_of(name: str, job: Callable[[int], object], sizes: Sequence[int]) -> list[dict[str, Any]]:
    sides = {str(rows): partial(job, rows) for rows in (2, *sizes)}
    seconds_by_rows = interleaved_cpu_s(
        sides, rounds=3, warm_up=1, clock=tree_cpu_s_without_compilers
    )
    medians = {int(n): statistics.median(seconds) for n, seconds in seconds_by_rows.items()}
    return [{"job": name, **row} for row in growth_rows(medians)]


def split_into_words(spark: SparkSession, captions: str) -> None:
    words = F.size(F.split("caption", r"\s+"))
    compute_all_rows(spark.read.format("delta").load(captions).agg(F.sum(words)))


def build_bank(spark: SparkSession, folder: Path, rows: int) -> None:
    run_job(
        "build_concept_bank",
        sources=["numbers", "unigrams", "bigrams"],
        texts=caption_table(spark, folder, rows),
        min_pmi=10 if rows > 2 else 1,  # two captions have too few words for 10
        output=str(folder / "out/bank_from_text"),
    )


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        [int(rows) for rows in sys.argv[2:]] or ROWS,
    )
