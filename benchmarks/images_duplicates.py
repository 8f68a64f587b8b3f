"""dedup-images: CPU a row of near hashes and vectors by their number, and recall on a sample.

    python -m benchmarks.images_duplicates [FOLDER [HASHES [VECTORS]]]

Hashes are random but for a twentieth of them, which differ from another in two bits; vectors, of
512 numbers, likewise have a twentieth at a cosine of about 0.99. Seconds: those of the whole job,
less its time on one row. Recall: the pairs within the threshold that brute force finds between a
sample of 10,000 rows and all others, and how many of them the job put into one group.
"""

import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from benchmarks.measuring import cpu_s, report
from benchmarks.spark_inputs import run_job, small_session
from udfs.vectors import vector_lists

DIMENSION, FILES, PROCESSES, SAMPLE = 512, 2, 2, 10_000
DISTANCE, COSINE = 4, 0.95


def main(folder: Path, n_hashes: int, n_vectors: int) -> None:
    spark = small_session(**{"spark.master": f"local[{PROCESSES}]"})
    spark.conf.set("spark.sql.shuffle.partitions", str(2 * PROCESSES))
    rows: list[dict[str, Any]] = []
    for measure, most in ((hash_row, n_hashes), (vector_row, n_vectors)):
        for n in filter(None, (most // 10, most)):
            rows.append(measure(spark, folder, n))
            report("images_duplicates", rows, folder)
    spark.stop()


def hash_row(spark: SparkSession, folder: Path, n: int) -> dict[str, Any]:
    random = np.random.default_rng(0)
    hashes = random.integers(-(2**63), 2**63, n)
    near = n // 20
    bits = (1 << random.integers(0, 63, near)) ^ (1 << random.integers(0, 63, near))
    hashes[:near] = hashes[near : 2 * near] ^ bits
    hashes = random.permutation(hashes)
    group_of, seconds = timed(spark, folder, {"phash": pa.array(hashes)}, "phash", DISTANCE)
    words = hashes.view(np.uint64)
    first, second = near_pairs(words, min(SAMPLE, n), DISTANCE)
    pairs = np.column_stack([np.array(first), np.array(second)])
    return figures("hashes", n, seconds, pairs, group_of)


@numba.njit
def near_pairs(
    words: NDArray[np.uint64], n_sample: int, distance: int
) -> tuple[list[int], list[int]]:
    """Pairs of the first rows with all others within the distance, each with each, bit by bit."""
    first, second = [], []
    for row in range(n_sample):
        for other in range(words.size):
            different, bits = words[row] ^ words[other], 0
            while different and bits <= distance:
                different &= different - np.uint64(1)
                bits += 1
            if bits <= distance and row != other:
                first.append(row)
                second.append(other)
    return first, second


def vector_row(spark: SparkSession, folder: Path, n: int) -> dict[str, Any]:
    random = np.random.default_rng(1)
    vectors = random.standard_normal((n, DIMENSION), np.float32)
    near = n // 20
    vectors[:near] = vectors[near : 2 * near] + 0.15 * random.normal(size=(near, DIMENSION))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = random.permutation(vectors)
    columns = {
        "embedding": vector_lists(vectors, pa.array([True] * n)),
        "model": pa.array(["random"] * n),
        "weights": pa.array(["none"] * n),
    }
    group_of, seconds = timed(spark, folder, columns, "embedding", COSINE)
    blocks = range(0, min(SAMPLE, n), 1000)
    first = np.array([1, 0])
    others = torch.from_numpy(vectors).T  # several times as fast as numpy
    products = (
        np.argwhere((others.T[start : start + 1000] @ others).numpy() >= COSINE) + start * first
        for start in blocks
    )
    pairs = np.concatenate([*products])
    return figures("vectors", n, seconds, pairs[pairs[:, 0] != pairs[:, 1]], group_of)


def timed(
    spark: SparkSession, folder: Path, columns: dict[str, pa.Array], by: str, threshold: float
) -> tuple[NDArray[Any], float]:
    """(group of each row, CPU seconds of the job beyond those of one row)."""
    n = len(next(iter(columns.values())))
    table = pa.table({"uid": [f"{k:09}" for k in range(n)], **columns})
    groups, one, all_rows = (folder / f"duplicates_{name}" for name in ("groups", "one", "all"))
    write_files(one, table.slice(0, 1))
    write_files(all_rows, table)
    seconds = {}
    for path in (one, one, all_rows):  # the first compiles
        shutil.rmtree(groups, ignore_errors=True)
        settings = {"input": str(path), "by": by, "threshold": threshold, "groups": str(groups)}
        seconds[path] = cpu_s(partial(run_job, "dedup_images", **settings))
    written = spark.read.format("delta").load(str(groups)).select("uid", "group").toPandas()
    return written.sort_values("uid")["group"].to_numpy(), seconds[all_rows] - seconds[one]


def write_files(path: Path, table: pa.Table) -> None:
    """Write a table of Parquet, in files of equal size."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    size = -(-table.num_rows // FILES)
    for start in range(0, table.num_rows, size):
        pq.write_table(table.slice(start, size), path / f"{start}.parquet", row_group_size=50_000)


def figures(
    what: str, n: int, seconds: float, pairs: NDArray[np.int64], group_of: NDArray[Any]
) -> dict[str, Any]:
    together = int((group_of[pairs[:, 0]] == group_of[pairs[:, 1]]).sum())
    return {
        "what": what,
        "rows": n,
        "CPU s": seconds,
        "us a row": seconds / n * 1e6,
        "pairs of the sample": len(pairs),
        "recall": together / max(len(pairs), 1),
        "groups": len(set(group_of)),
    }


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000,
        int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000,
    )
