"""Jobs beside a pass that only brings the captions to Python; and Spark's own ways to match.

    python -m benchmarks.end_to_end [FOLDER [ROWS]]

CPU time of driver, JVM and workers beyond that of a table of one row; the median of the ratios of
5 rounds after 3 to warm up the workers and the JVM.
"""

import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks import inputs
from benchmarks.measuring import interleaved, median_ratio, report
from benchmarks.spark_inputs import (
    caption_table,
    do_nothing_with,
    raw_captions,
    reading_pass,
    run_job,
    small_session,
)
from spark_jobs.matching.match import match_concepts
from udfs.text.matchers import MetaclipMatcher
from udfs.text.token_trie import build_token_trie

ENTRIES = 20_000


def main(folder: Path, rows: int) -> None:
    spark = small_session()
    made = inputs.corpus(folder, 1_000_000)
    captions = caption_table(spark, folder, rows)
    of_rows = interleaved(jobs(spark, folder, made, rows), warm_up=3)
    of_one = interleaved(jobs(spark, folder, made, 1), warm_up=3)
    start_up = {name: statistics.median(seconds) for name, seconds in of_one.items()}
    beyond = {n: [s - start_up[n] for s in seconds] for n, seconds in of_rows.items()}
    report(
        "end_to_end",
        [
            {
                "job": name,
                "rows": rows,
                "entries": ENTRIES,
                "start-up s": start_up[name],
                "us a row beyond": statistics.median(beyond[name]) / rows * 1e6,
                "ratio to read": median_ratio(beyond[name], beyond["read"]),
                "with start-up": median_ratio(of_rows[name], of_rows["read"]),
            }
            for name in beyond
        ],
        folder,
    )
    report("spark_matchers", spark_matchers(spark, made, captions), folder)


def jobs(
    spark: SparkSession, folder: Path, made: Path, rows: int
) -> dict[str, Callable[[], object]]:
    bank = str(made / f"bank_{ENTRIES}.json")
    captions, raw = caption_table(spark, folder, rows), raw_captions(spark, folder, rows)
    out = str(folder / "out")
    counted = {"captions": captions, "bank": bank, "entry_counts": f"{out}/entry_counts"}
    curated = {"input": raw, "bank": bank, "t": 200, "dedup": "none", "report": False}
    curated |= {"output": f"{out}/curated"}
    alone = {"intermediate": False, "output": f"{out}/curated_alone"}
    return {
        "read": partial(reading_pass, spark, captions),
        "counts only": partial(run_job, "match_concepts", **counted),
        "matches and counts": partial(
            run_job, "match_concepts", **counted, output=f"{out}/matches"
        ),
        "curate without dedup, five tables": partial(run_job, "curate", **curated),
        "curate without dedup, the result alone": partial(run_job, "curate", **curated | alone),
    }


def spark_matchers(spark: SparkSession, made: Path, captions: str) -> list[dict[str, Any]]:
    """Ours, runs of tokens exploded and hash-joined, and a join on `contains` (a sample)."""
    entries = inputs.bank(made, ENTRIES)
    trie = build_token_trie(pa.array(entries))
    bank = spark.createDataFrame(list(enumerate(entries)), "entry_id int, entry string").cache()
    every = spark.read.format("delta").load(captions)
    ours, some, few = (every.limit(n).cache() for n in (1_000_000, 100_000, 100))
    sides: dict[str, tuple[DataFrame, Callable[[DataFrame], DataFrame]]] = {
        "ours": (ours, lambda rows: match_concepts(rows, MetaclipMatcher(trie))),
        "n-gram explode + hash join": (some, lambda rows: by_runs(rows, bank, entries)),
        "contains join": (few, lambda rows: by_contains(rows, bank)),
    }
    n_rows = {name: rows.count() for name, (rows, _) in sides.items()}
    expected = id_lists(match_concepts(few, MetaclipMatcher(trie)))
    for name, (_, match) in sides.items():
        if id_lists(match(few)) != expected:
            sys.exit(f"{name} differs")
    taken = interleaved(
        {n: lambda r=rows, m=match: do_nothing_with(m(r)) for n, (rows, match) in sides.items()}
    )
    per_row = {name: [s / n_rows[name] for s in seconds] for name, seconds in taken.items()}
    return [
        {
            "matcher": name,
            "rows": n_rows[name],
            "us a row": statistics.median(seconds) * 1e6,
            "ratio to ours": median_ratio(seconds, per_row["ours"]),
        }
        for name, seconds in per_row.items()
    ]


def padded(caption: str) -> Column:
    marked = F.regexp_replace(caption, "([,.;:?!`])", " $1 ")
    return F.concat(F.lit(" "), F.translate(marked, "\t\n\r", "   "), F.lit(" "))


def by_runs(rows: DataFrame, bank: DataFrame, entries: list[str]) -> DataFrame:
    most = max(entry.count(" ") + 1 for entry in entries)
    words = F.split(F.expr("substring(padded, 2, length(padded) - 2)"), " ", -1)
    cut = rows.withColumn("padded", padded("caption")).select("uid", words.alias("w"))
    runs = F.expr(
        f"flatten(transform(sequence(1, least({most}, size(w))), n -> transform(sequence(1, "
        "size(w) - n + 1), i -> array_join(slice(w, i, n), ' '))))"
    )
    exploded = cut.select("uid", F.explode(runs).alias("entry"))
    joined = exploded.join(F.broadcast(bank), on="entry")
    return joined.groupBy("uid").agg(F.array_sort(F.collect_set("entry_id")).alias("entry_ids"))


def by_contains(rows: DataFrame, bank: DataFrame) -> DataFrame:
    entry = F.concat(F.lit(" "), F.col("entry"), F.lit(" "))
    cut = rows.select("uid", padded("caption").alias("padded"))
    joined = cut.join(F.broadcast(bank), on=F.contains(F.col("padded"), entry))
    return joined.groupBy("uid").agg(F.array_sort(F.collect_set("entry_id")).alias("entry_ids"))


def id_lists(found: DataFrame) -> list[tuple[str, list[int]]]:
    return sorted((row.uid, list(row.entry_ids)) for row in found.collect() if row.entry_ids)


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        int(sys.argv[2]) if len(sys.argv) > 2 else 4_000_000,
    )
