"""DataComp's filters and the caption mixes: CPU beside a scan of the same columns; thresholds.

    python -m benchmarks.filters_and_mixes [FOLDER [ROWS [THRESHOLD_ROWS [VECTORS]]]]

Each side reads its columns from Parquet and throws the rows away (Spark's noop), the scan as they
are, the other only those kept; fewer columns make the scan cheaper, so each filter has its own.
Thresholds: the 30 % mark of THRESHOLD_ROWS float32 scores, with the memory of the JVM and Python.
Clusters: the nearest of 1,000 and 10,000 centroids, beside faiss' flat index on the same vectors.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from pydantic import TypeAdapter
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.measuring import interleaved_cpu_s, median_ratio, polling, report
from benchmarks.spark_inputs import small_session
from spark_jobs.captioning.mix import mix
from spark_jobs.captioning.mix_expression import parse_mix
from spark_jobs.captioning.mix_presets import mix_text, published_mixes
from spark_jobs.captioning.mix_sources import SourceColumns
from spark_jobs.concepts.first_synsets import (
    WORD_FILES,
    imagenet21k_wnids,
    words_with_first_synset_in,
)
from spark_jobs.core.draws import Draw
from spark_jobs.filtering.filter import apply_rules
from spark_jobs.filtering.presets import expanded
from spark_jobs.filtering.rules import FirstSynset, InTable, Rule, TopFraction, rules_of_kind
from spark_jobs.filtering.top_fraction import top_fraction_bound
from udfs.nearest_centroids import nearest_centroids

WORDNET = Path("/usr/share/wordnet")
ROUNDS, DIMENSION = 3, 512
WORDS = ["dog", "cat", "a", "photo", "of", "the", "running", "blue", "xyzzy", "2019", "sale", "in"]
SOURCES = {
    name: SourceColumns(caption, f"{name}_score")
    for name, caption in (("raw", "caption"), ("blip2", "blip2"))
}


def main(folder: Path, n: int, n_threshold: int, n_vectors: int) -> None:
    spark = small_session(**{"spark.master": "local[2]", "spark.driver.memory": "2g"})
    pool = make_pool(spark, folder / "filters_pool", n)
    rows: list[dict[str, Any]] = []
    for name, (columns, kept) in {**filters(pool), **mixes(pool)}.items():
        sides = {"scan": pool.select(*columns), "other": None}

        def run_scan(frame: DataFrame = sides["scan"]) -> None:  # type: ignore[assignment]
            frame.write.format("noop").mode("overwrite").save()

        def run_kept(kept: Callable[[], DataFrame] = kept) -> None:
            kept().write.format("noop").mode("overwrite").save()

        seconds = interleaved_cpu_s({"scan": run_scan, "other": run_kept}, rounds=ROUNDS)
        rows.append(
            {
                "what": name,
                "rows": n,
                "scan us a row": float(np.median(seconds["scan"])) / n * 1e6,
                "us a row": float(np.median(seconds["other"])) / n * 1e6,
                "times a scan": median_ratio(seconds["other"], seconds["scan"]),
            }
        )
        report("filters_and_mixes", rows, folder, rounds=ROUNDS)
    if n_threshold:
        report("top_fraction", [threshold_row(spark, n_threshold)], folder)
    spark.stop()
    if n_vectors:
        centroids = [cluster_row(n_vectors, k) for k in (1_000, 10_000)]
        report("nearest_centroids", centroids, folder, rounds=ROUNDS)


def make_pool(spark: SparkSession, path: Path, n: int) -> DataFrame:
    """Captions of ten words, sides, scores and clusters, drawn by a hash of the row's number."""

    def draw(purpose: str) -> Any:
        return F.pmod(F.xxhash64("id", F.lit(purpose)), F.lit(1_000_003)) / 1_000_003

    words = F.array(*map(F.lit, WORDS))
    caption = F.concat_ws(
        " ",
        *(F.get(words, F.floor(draw(f"word {k}") * len(WORDS)).cast("int")) for k in range(10)),
    )
    frame = spark.range(0, n, 1, 8).select(
        F.md5(F.col("id").cast("string")).alias("uid"),
        caption.alias("caption"),
        F.concat(F.lit("a picture of "), caption).alias("blip2"),
        F.when(draw("lang") < 0.5, "en").otherwise("de").alias("lang"),
        (draw("width") * 900).cast("int").alias("width"),
        (draw("height") * 900).cast("int").alias("height"),
        draw("raw").cast("float").alias("raw_score"),
        draw("blip2").cast("float").alias("blip2_score"),
        (draw("near") < 0.3).alias("near_target"),
    )
    frame.write.mode("overwrite").parquet(str(path))
    return spark.read.parquet(str(path))


def filters(pool: DataFrame) -> dict[str, tuple[list[str], Callable[[], DataFrame]]]:
    """Name of a filter -> (its columns, what makes the frame of the rows that it keeps)."""
    clusters = pool.select("uid", "near_target")
    text = ["uid", "caption", "lang"]
    presets: dict[str, tuple[list[str], Any]] = {
        "none": (["uid"], "datacomp_none"),
        "basic": ([*text, "width", "height"], "datacomp_basic"),
        "clip score, 30 %": (
            ["uid", "raw_score"],
            {"preset": "datacomp_clip_score", "score": "raw_score"},
        ),
        "laion2b": (["uid", "lang", "raw_score"], {"preset": "laion2b", "score": "raw_score"}),
        "text-based": (text, {"preset": "datacomp_text_based", "wordnet": str(WORDNET)}),
        "image-based": (
            [*text, "near_target"],
            {"preset": "datacomp_image_based", "clusters": "clusters"},
        ),
        "long captions": (["uid", "caption"], "long_captions"),
    }
    return {
        name: (columns, lambda c=columns, p=preset: kept(pool, c, p, clusters))
        for name, (columns, preset) in presets.items()
    }


_words: list[str] = []


def kept(pool: DataFrame, columns: list[str], preset: Any, clusters: DataFrame) -> DataFrame:
    rules = TypeAdapter(list[Rule]).validate_python(expanded([preset]))
    tables = dict.fromkeys(rules_of_kind(rules, InTable), clusters)
    synset_rules = rules_of_kind(rules, FirstSynset)
    if synset_rules and not _words:
        files = {name: (WORDNET / name).read_bytes() for name in WORD_FILES}
        offsets = [int(wnid[1:]) for wnid in imagenet21k_wnids()]
        _words.extend(words_with_first_synset_in(files, offsets, str(WORDNET)))
    rows = pool.select(*columns)
    bounds = {
        rule: top_fraction_bound(rows, rule.column, rule.top_fraction, rule.place)
        for rule in rules_of_kind(rules, TopFraction)
    }
    words = dict.fromkeys(synset_rules, _words)
    return apply_rules(rows, rules, bounds=bounds, tables=tables, words=words).kept()


def mixes(pool: DataFrame) -> dict[str, tuple[list[str], Callable[[], DataFrame]]]:
    """Name of a mix -> (its columns, what makes the frame of the images with their captions)."""
    found = {}
    for name in published_mixes():
        parsed = parse_mix(mix_text(name, [*SOURCES], None, None, near="near_target"))
        columns = ["uid", *(SOURCES[source].caption for source in parsed.sources)]
        columns += [f"{source}_score" for source in parsed.sources]
        columns += [] if parsed.where is None else [parsed.where]

        def make(columns: list[str] = columns, parsed: Any = parsed, name: str = name) -> DataFrame:
            rows, draw = pool.select(*columns), Draw("mix-captions", 0)
            mixed = mix(rows, parsed, SOURCES, rule="value", draw=draw, separator=" ")
            kept_rows = mixed.results.rows.where(mixed.is_kept)
            return kept_rows.select("uid", *mixed.columns(with_list=name == "several"))

        found[f"mix {name}"] = (columns, make)
    return found


def threshold_row(spark: SparkSession, n: int) -> dict[str, Any]:
    """The threshold of the top 30 % against the count of the rows above it."""
    score = (F.pmod(F.xxhash64("id"), F.lit(1 << 40)) / (1 << 40)).cast("float").alias("score")
    rows = spark.range(0, n, 1, 16).select(score)
    peak = 0

    def poll() -> None:
        nonlocal peak
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        peak = max(peak, sum(p.memory_info().rss for p in processes if p.is_running()))

    start = time.monotonic()
    with polling(poll, interval_s=0.5):
        bound = top_fraction_bound(rows, "score", 0.3, "datacomp")
    seconds = time.monotonic() - start
    literal = F.lit(bound).cast("float")
    counted = rows.agg(F.count_if(F.col("score") > literal), F.count_if(F.col("score") >= literal))
    n_above, n_from = counted.first() or (0, 0)
    is_exact = n_above < int(n * 0.3) + 1 <= n_from
    return {"rows": n, "seconds": seconds, "peak GB": peak / 1e9, "exact": str(is_exact)}


def cluster_row(n: int, k: int) -> dict[str, Any]:
    """Seconds of both on the same unit vectors, in rounds after each other."""
    import faiss

    random = np.random.default_rng(0)
    vectors, centroids = (
        random.normal(size=(size, DIMENSION)).astype(np.float32) for size in (n, k)
    )
    for matrix in (vectors, centroids):
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(centroids)
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: nearest_centroids(vectors, centroids),
        "faiss": lambda: index.search(vectors, 1),
    }
    seconds = interleaved_cpu_s(sides, rounds=ROUNDS, clock=time.process_time)
    differing = int(
        (nearest_centroids(vectors, centroids)[0] != index.search(vectors, 1)[1][:, 0]).sum()
    )
    return {
        "vectors": n,
        "centroids": k,
        "us a vector": float(np.median(seconds["ours"])) / n * 1e6,
        "of faiss' speed": median_ratio(seconds["faiss"], seconds["ours"]),
        "other centroid": differing,
    }


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[2:]]
    defaults = [10_000_000, 100_000_000, 65_536]
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"), *sizes, *defaults[len(sizes) :])
