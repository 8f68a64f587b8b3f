"""Subsets of tables that have the class counts of LAIONet and of LAION-400M.

    python -m benchmarks.published_counts FREQUENCIES [FOLDER [--large]]

FREQUENCIES: the folder of clip-beyond-tail's class-frequency files. Made rows, with similarities
such that as many are above each threshold as was published. Every subset is held against what was
published, and told with its time; --large adds LAION-400M's counts, 93.7 million rows.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.measuring import report
from benchmarks.spark_inputs import run_job, small_session
from spark_jobs.subsets.imagenet_classes import imagenet_class_names

THRESHOLDS = (0.75, 0.8, 0.82, 0.85, 0.88, 0.9)
FRACTIONS = (0.5, 0.25, 0.125, 0.0625, 0.03125)
CHUNK = 100_000


def main(frequencies: Path, folder: Path, *, is_large: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    spark = small_session(**{"spark.driver.memory": "2g"})
    laionet = read(frequencies, "laionet_thresh0.7")
    above = {t: read(frequencies, f"laionet_thresh{t}") for t in THRESHOLDS}
    table = made(spark, folder / "laionet", laionet, above)
    rows = [
        *(threshold(spark, folder, table, t, above[t]) for t in THRESHOLDS),
        *(fraction(spark, folder, table, f, laionet) for f in FRACTIONS),
        *(number(spark, folder, table, n, laionet) for n in (943, 448_896, 3_000_000)),
        matched(spark, folder, table, laionet, frequencies, "LAIONet"),
    ]
    if is_large:
        counts = read(frequencies, "laion400m_imagenet")
        table = made(spark, folder / "laion400m", counts, {})
        rows += [
            fraction(spark, folder, table, 0.1, counts),
            matched(spark, folder, table, counts, frequencies, "LAION-400M"),
        ]
    report("published_counts", rows, folder)
    spark.stop()


def read(frequencies: Path, name: str) -> dict[str, int]:
    """Wnid -> rows, of the file of a data set."""
    wnid_of = {name: wnid for wnid, name in imagenet_class_names().items()}
    file = frequencies / f"class_frequency_{name}_ori.txt"
    lines = (line.split("\t") for line in file.read_text().splitlines())
    return {wnid_of[name]: int(count) for name, count in lines}


def made(
    spark: SparkSession, address: Path, counts: dict[str, int], above: dict[float, dict[str, int]]
) -> str:
    """A table of so many rows of each class; those above a threshold come first in a class."""
    if (address / "_delta_log").exists():
        return str(address)
    chunks = [
        (wnid, start, min(start + CHUNK, count), [above[t][wnid] for t in THRESHOLDS if above])
        for wnid, count in counts.items()
        for start in range(0, count, CHUNK)
    ]
    schema = "wnid string, start long, stop long, above array<long>"
    each = spark.createDataFrame(chunks, schema).repartition(64)
    of_class = each.select(
        "wnid", "above", F.explode(F.sequence("start", F.col("stop") - 1)).alias("k")
    )
    levels = F.array(*map(F.lit, THRESHOLDS))
    n_above = F.size(F.filter("above", lambda n: F.col("k") < n))
    similarity = F.when(n_above > 0, F.element_at(levels, n_above)).otherwise(0.7)
    uid = F.md5(F.concat("wnid", F.col("k").cast("string")))
    rows = of_class.select(
        uid.alias("uid"), F.concat(F.lit("caption "), "k").alias("caption"), "wnid",
        (similarity + 0.001).alias("similarity"),
    )  # fmt: skip
    rows.write.format("delta").save(str(address))
    return str(address)


def timed(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def counts_of(spark: SparkSession, address: Path) -> dict[str, int]:
    stored: DataFrame = spark.read.format("delta").load(str(address))
    return {row["wnid"]: row["count"] for row in stored.groupBy("wnid").count().collect()}


def subset(folder: Path, table: str, **said: Any) -> float:
    return timed(
        lambda: run_job("sample_subset", input=table, output=str(folder / "subset"), **said)
    )


def row(name: str, counts: dict[str, int], seconds: float) -> dict[str, Any]:
    classes = sum(n > 0 for n in counts.values())
    return {"subset": name, "rows": sum(counts.values()), "classes": classes, "s": seconds}


def threshold(
    spark: SparkSession, folder: Path, table: str, at: float, published: dict[str, int]
) -> dict[str, Any]:
    """Class for class the published counts; those that are 1 may be a row that came back."""
    seconds = subset(folder, table, threshold=at, column="similarity")
    found = counts_of(spark, folder / "subset")
    assert found == {wnid: n for wnid, n in published.items() if n}
    return row(f"threshold {at}", found, seconds)


def fraction(
    spark: SparkSession, folder: Path, table: str, share: float, counts: dict[str, int]
) -> dict[str, Any]:
    """As many rows as the share says, and one more of each class that it emptied."""
    seconds = subset(folder, table, fraction=share)
    found = counts_of(spark, folder / "subset")
    n_classes = sum(n > 0 for n in counts.values())
    restored = sum(found.values()) - round(share * sum(counts.values()))
    assert len(found) == n_classes
    assert 0 <= restored <= sum(n == 1 for n in found.values())
    assert all(found[wnid] <= counts[wnid] for wnid in found)
    return row(f"fraction {share}", found, seconds)


def number(
    spark: SparkSession, folder: Path, table: str, n: int, counts: dict[str, int]
) -> dict[str, Any]:
    seconds = subset(folder, table, n=n)
    found = counts_of(spark, folder / "subset")
    assert sum(found.values()) == n
    assert len(found) == sum(n > 0 for n in counts.values())
    return row(f"n {n}", found, seconds)


def matched(
    spark: SparkSession,
    folder: Path,
    table: str,
    counts: dict[str, int],
    frequencies: Path,
    name: str,
) -> dict[str, Any]:
    """Of each class exactly as many rows as are wanted and there."""
    seconds = timed(
        lambda: run_job(
            "match_frequencies",
            sources=[table],
            class_names="imagenet1k",
            target_counts=str(frequencies / "class_frequency_incaps_imagenet_ori.txt"),
            output=str(folder / "matched"),
        )
    )
    target = read(frequencies, "incaps_imagenet")
    found = counts_of(spark, folder / "matched")
    wanted = {wnid: min(n, counts[wnid]) for wnid, n in target.items()}
    assert found == {wnid: n for wnid, n in wanted.items() if n}
    return row(f"{name} as ImageNet-Captions", found, seconds)


if __name__ == "__main__":
    given = [argument for argument in sys.argv[1:] if argument != "--large"]
    main(
        Path(given[0]),
        Path(given[1] if len(given) > 1 else "bench"),
        is_large="--large" in sys.argv,
    )
