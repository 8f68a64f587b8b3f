"""Jobs compared with a pass that only brings captions to Python; and matching by Spark's functions.

    python -m benchmarks.end_to_end [FOLDER [ROWS]]

CPU time of driver, JVM and workers, less that on a table of one row; ratios are medians of 5
rounds, after 3 to warm up workers and JVM.
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
from benchmarks.measuring import ROUNDS, interleaved_cpu_s, median_ratio, report
from benchmarks.spark_inputs import (
    caption_table,
    compute_all_rows,
    raw_captions,
    reading_pass,
    run_job,
    small_session,
)
from spark_jobs.matching.match import match_concepts
from udfs.text.matchers import MetaclipMatcher
from udfs.text.token_trie import build_token_trie

ENTRIES = 20_000
PASS = "the pass"


def main(folder: Path, rows: int) -> None:
    spark = small_session()
    corpus_folder = inputs.corpus(folder, 1_000_000)
    captions = caption_table(spark, folder, rows)
    seconds_all = interleaved_cpu_s(jobs(spark, folder, corpus_folder, rows), warm_up=3)
    seconds_one_row = interleaved_cpu_s(jobs(spark, folder, corpus_folder, 1), warm_up=3)
    start_up = {name: statistics.median(seconds) for name, seconds in seconds_one_row.items()}
    seconds_beyond = {
        name: [s - start_up[name] for s in seconds] for name, seconds in seconds_all.items()
    }
    report(
        "end_to_end",
        [
            {
                "job": name,
                "rows": rows,
                "entries": ENTRIES,
                "start-up s": start_up[name],
                "us a row": statistics.median(seconds_beyond[name]) / rows * 1e6,
                "times the pass": median_ratio(seconds_beyond[name], seconds_beyond[PASS]),
                "with start-up": median_ratio(seconds_all[name], seconds_all[PASS]),
            }
            for name in seconds_beyond
        ],
        folder,
        rounds=ROUNDS,
    )
    matchers = spark_matchers(spark, corpus_folder, captions)
    report("spark_matchers", matchers, folder, rounds=ROUNDS)


def jobs(
    spark: SparkSession, folder: Path, corpus_folder: Path, rows: int
) -> dict[str, Callable[[], object]]:
    bank = str(corpus_folder / f"bank_{ENTRIES}.json")
    captions, raw = caption_table(spark, folder, rows), raw_captions(spark, folder, rows)
    out = str(folder / "out")
    match = {"captions": captions, "bank": bank, "entry_counts": f"{out}/entry_counts"}
    curate = {"input": raw, "bank": bank, "t": 200, "dedup": "none", "report": False}
    curate |= {"output": f"{out}/curated"}
    result_alone = {"intermediate": False, "output": f"{out}/curated_alone"}
    return {
        PASS: partial(reading_pass, spark, captions),
        "`match-concepts`, counts only": partial(run_job, "match_concepts", **match),
        "`match-concepts`, matches stored": partial(
            run_job, "match_concepts", **match, output=f"{out}/matches"
        ),
        "`curate`, all tables": partial(run_job, "curate", **curate),
        "`curate --dedup caption`, all tables": partial(
            run_job, "curate", **curate | {"dedup": "caption", "output": f"{out}/curated_unique"}
        ),
        "`curate --no-intermediate`, the result alone": partial(
            run_job, "curate", **curate | result_alone
        ),
    }


def spark_matchers(spark: SparkSession, corpus_folder: Path, captions: str) -> list[dict[str, Any]]:
    """Our matcher, exploded n-grams with a hash join, and a join on `contains` (on samples)."""
    entries = inputs.bank(corpus_folder, ENTRIES)
    trie = build_token_trie(pa.array(entries))
    bank = spark.createDataFrame(list(enumerate(entries)), "entry_id int, entry string").cache()
    table = spark.read.format("delta").load(captions)
    million, sample, small_sample = (table.limit(n).cache() for n in (1_000_000, 100_000, 100))
    sides: dict[str, tuple[DataFrame, Callable[[DataFrame], DataFrame]]] = {
        "`match-concepts`": (million, lambda rows: match_concepts(rows, MetaclipMatcher(trie))),
        "n-gram explode + hash join": (sample, lambda rows: match_by_ngrams(rows, bank, entries)),
        "contains join": (small_sample, lambda rows: match_by_contains(rows, bank)),
    }
    n_rows = {name: rows.count() for name, (rows, _) in sides.items()}
    expected = id_lists(match_concepts(small_sample, MetaclipMatcher(trie)))
    for name, (_, match) in sides.items():
        if id_lists(match(small_sample)) != expected:
            sys.exit(f"{name} differs")
    seconds_by_side = interleaved_cpu_s(
        {n: lambda r=rows, m=match: compute_all_rows(m(r)) for n, (rows, match) in sides.items()}
    )
    seconds_per_row = {
        name: [s / n_rows[name] for s in seconds] for name, seconds in seconds_by_side.items()
    }
    return [
        {
            "matcher": name,
            "rows": n_rows[name],
            "us a row": statistics.median(seconds) * 1e6,
            "times as long": median_ratio(seconds, seconds_per_row["`match-concepts`"]),
        }
        for name, seconds in seconds_per_row.items()
    ]


def padded(caption: str) -> Column:
    """The caption spaced and padded by MetaCLIP's rule."""
    marked = F.regexp_replace(caption, "([,.;:?!`])", " $1 ")
    return F.concat(F.lit(" "), F.translate(marked, "\t\n\r", "   "), F.lit(" "))


def match_by_ngrams(rows: DataFrame, bank: DataFrame, entries: list[str]) -> DataFrame:
    max_tokens = max(entry.count(" ") + 1 for entry in entries)
    words = F.split(F.expr("substring(padded, 2, length(padded) - 2)"), " ", -1)
    tokens = rows.withColumn("padded", padded("caption")).select("uid", words.alias("w"))
    ngrams = F.expr(
        f"flatten(transform(sequence(1, least({max_tokens}, size(w))), n -> transform(sequence(1, "
        "size(w) - n + 1), i -> array_join(slice(w, i, n), ' '))))"
    )
    exploded = tokens.select("uid", F.explode(ngrams).alias("entry"))
    joined = exploded.join(F.broadcast(bank), on="entry")
    return joined.groupBy("uid").agg(F.array_sort(F.collect_set("entry_id")).alias("entry_ids"))


def match_by_contains(rows: DataFrame, bank: DataFrame) -> DataFrame:
    entry = F.concat(F.lit(" "), F.col("entry"), F.lit(" "))
    padded_captions = rows.select("uid", padded("caption").alias("padded"))
    joined = padded_captions.join(F.broadcast(bank), on=F.contains(F.col("padded"), entry))
    return joined.groupBy("uid").agg(F.array_sort(F.collect_set("entry_id")).alias("entry_ids"))


def id_lists(matches: DataFrame) -> list[tuple[str, list[int]]]:
    return sorted((row.uid, list(row.entry_ids)) for row in matches.collect() if row.entry_ids)


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        int(sys.argv[2]) if len(sys.argv) > 2 else 4_000_000,
    )
