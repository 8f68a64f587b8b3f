"""Subsets of tables with the published class counts of LAIONet and of LAION-400M.

    python -m benchmarks.published_counts [FOLDER [--large]]

Counts are those of clip-beyond-tail's class-frequency files (Wen et al. 2024), in shared/. Rows are
generated, with similarities such that the published number lies above each threshold. Each subset
is checked against the published counts and timed. --large adds the counts of LAION-400M, 93.7
million rows.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.inputs import SHARED
from benchmarks.measuring import report
from benchmarks.spark_inputs import run_job, small_session
from spark_jobs.subsets.imagenet_classes import imagenet_class_names

THRESHOLDS = (0.75, 0.8, 0.82, 0.85, 0.88, 0.9)
FRACTIONS = (0.5, 0.25, 0.125, 0.0625, 0.03125)
CHUNK = 100_000


def main(frequencies: Path, folder: Path, *, is_large: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    spark = small_session(**{"spark.driver.memory": "2g"})
    laionet = read_counts(frequencies, "laionet_thresh0.7")
    above = {t: read_counts(frequencies, f"laionet_thresh{t}") for t in THRESHOLDS}
    table = make_table(spark, folder / "laionet", laionet, above)
    rows = [
        *(threshold(spark, folder, table, t, above[t]) for t in THRESHOLDS),
        *(fraction(spark, folder, table, f, laionet) for f in FRACTIONS),
        *(number(spark, folder, table, n, laionet) for n in (943, 448_896, 3_000_000)),
        matched(spark, folder, table, laionet, frequencies, "LAIONet"),
    ]
    if is_large:
        counts = read_counts(frequencies, "laion400m_imagenet")
        table = make_table(spark, folder / "laion400m", counts, {})
        rows += [
            fraction(spark, folder, table, 0.1, counts),
            matched(spark, folder, table, counts, frequencies, "LAION-400M"),
        ]
    report("published_counts", rows, folder)
    spark.stop()


def read_counts(frequencies: Path, name: str) -> dict[str, int]:
    """Wnid -> number of rows, from a data set's class-frequency file."""
    wnid_by_name = {name: wnid for wnid, name in imagenet_class_names().items()}
    file = frequencies / f"class_frequency_{name}_ori.txt"
    lines = (line.split("\t") for line in file.read_text().splitlines())
    return {wnid_by_name[name]: int(count) for name, count in lines}


def make_table(
    spark: SparkSession, address: Path, counts: dict[str, int], above: dict[float, dict[str, int]]
) -> str:
    """Path of a table with `counts` rows per class, `above[t]` of them with similarity above t.

    Rows of the highest similarity come first in a class.
    """
    if (address / "_delta_log").exists():
        return str(address)
    chunks = [
        (wnid, start, min(start + CHUNK, count), [above[t][wnid] for t in THRESHOLDS if above])
        for wnid, count in counts.items()
        for start in range(0, count, CHUNK)
    ]
    schema = "wnid string, start long, stop long, above array<long>"
    chunk_table = spark.createDataFrame(chunks, schema).repartition(64)
    numbered = chunk_table.select(
        "wnid", "above", F.explode(F.sequence("start", F.col("stop") - 1)).alias("k")
    )
    thresholds = F.array(*map(F.lit, THRESHOLDS))
    n_above = F.size(F.filter("above", lambda n: F.col("k") < n))
    similarity = F.when(n_above > 0, F.element_at(thresholds, n_above)).otherwise(0.7)
    uid = F.md5(F.concat("wnid", F.col("k").cast("string")))
    rows = numbered.select(
        uid.alias("uid"), F.concat(F.lit("caption "), "k").alias("caption"), "wnid",
        (similarity + 0.001).alias("similarity"),
    )  # fmt: skip
    rows.write.format("delta").save(str(address))
    return str(address)


def wall_s(work: Callable[[], object]) -> float:
    """Wall seconds of one call of `work`."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def class_counts(spark: SparkSession, address: Path) -> dict[str, int]:
    table: DataFrame = spark.read.format("delta").load(str(address))
    return {row["wnid"]: row["count"] for row in table.groupBy("wnid").count().collect()}


def subset(folder: Path, table: str, **settings: Any) -> float:
    """Run sample-subset on a table; its wall seconds."""
    return wall_s(
        lambda: run_job("sample_subset", input=table, output=str(folder / "subset"), **settings)
    )


def row(name: str, counts: dict[str, int], seconds: float) -> dict[str, Any]:
    n_classes = sum(n > 0 for n in counts.values())
    return {"subset": name, "rows": sum(counts.values()), "classes": n_classes, "s": seconds}


def threshold(
    spark: SparkSession, folder: Path, table: str, at: float, published: dict[str, int]
) -> dict[str, Any]:
    """A threshold gives each class its published count; a count of 1 may be a restored row."""
    seconds = subset(folder, table, threshold=at, column="similarity")
    kept = class_counts(spark, folder / "subset")
    assert kept == {wnid: n for wnid, n in published.items() if n}
    return row(f"threshold {at}", kept, seconds)


def fraction(
    spark: SparkSession, folder: Path, table: str, share: float, counts: dict[str, int]
) -> dict[str, Any]:
    """A fraction gives that share of all rows, plus one row per class that would be empty."""
    seconds = subset(folder, table, fraction=share)
    kept = class_counts(spark, folder / "subset")
    n_classes = sum(n > 0 for n in counts.values())
    restored = sum(kept.values()) - round(share * sum(counts.values()))
    assert len(kept) == n_classes
    assert 0 <= restored <= sum(n == 1 for n in kept.values())
    assert all(kept[wnid] <= counts[wnid] for wnid in kept)
    return row(f"fraction {share}", kept, seconds)


def number(
    spark: SparkSession, folder: Path, table: str, n: int, counts: dict[str, int]
) -> dict[str, Any]:
    """A number gives exactly that many rows, some of every class."""
    seconds = subset(folder, table, n=n)
    kept = class_counts(spark, folder / "subset")
    assert sum(kept.values()) == n
    assert len(kept) == sum(n > 0 for n in counts.values())
    return row(f"n {n}", kept, seconds)


def matched(
    spark: SparkSession,
    folder: Path,
    table: str,
    counts: dict[str, int],
    frequencies: Path,
    name: str,
) -> dict[str, Any]:
    """Matching frequencies gives each class its target count, or all rows if it has fewer."""
    seconds = wall_s(
        lambda: run_job(
            "match_frequencies",
            sources=[table],
            class_names="imagenet1k",
            target_counts=str(frequencies / "class_frequency_incaps_imagenet_ori.txt"),
            output=str(folder / "matched"),
        )
    )
    target = read_counts(frequencies, "incaps_imagenet")
    kept = class_counts(spark, folder / "matched")
    expected = {wnid: min(n, counts[wnid]) for wnid, n in target.items()}
    assert kept == {wnid: n for wnid, n in expected.items() if n}
    return row(f"{name} as ImageNet-Captions", kept, seconds)


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--large"]
    main(
        SHARED / "data/imagenet_frequencies",
        Path(arguments[0] if arguments else "bench"),
        is_large="--large" in sys.argv,
    )
