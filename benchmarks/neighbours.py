"""search-neighbours compared with faiss' knn over the same blocks.

    python -m benchmarks.neighbours [FOLDER [ROWS [ROUNDS]]]

The faiss side: two processes of one thread, which read the vectors from the same parquet files in
the same blocks and call faiss' knn, nothing more. Ours: the whole job, less its time on one row.
Reported is the median over rounds of the ratio of CPU and of wall time. The cost of a query's
results does not grow with ROWS, so with few rows the ratio comes out too low.
"""

import multiprocessing as mp
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import ROUNDS, report, tree_cpu_s
from benchmarks.spark_inputs import run_job, small_session
from udfs.neighbours import BLOCK_ROWS, blocks
from udfs.vectors import matrix, vector_lists

DIMENSION, QUERIES, FILES, PROCESSES = 512, 4_096, 2, 2


def main(folder: Path, rows: int, rounds: int) -> None:
    spark = small_session(**{"spark.master": f"local[{PROCESSES}]"})
    spark.conf.set("spark.sql.shuffle.partitions", str(PROCESSES))
    spark.conf.set("spark.sql.files.maxPartitionBytes", "4g")
    vectors, queries = folder / f"vectors_{rows}", folder / "queries"
    write_vectors(vectors, "uid", rows, 0)
    write_vectors(queries, "query_id", QUERIES, 1)
    write_vectors(folder / "vectors_1", "uid", 1, 2)
    report(
        "neighbours",
        [compared(folder, vectors, queries, rows, rounds, k) for k in (50, 500)],
        folder,
        rounds=rounds,
    )
    spark.stop()


def write_vectors(path: Path, key: str, n: int, seed: int) -> None:
    """Write random unit vectors as a table of embeddings, in files of equal size."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    files = FILES if n > FILES else 1
    for part in range(files):
        size = n // files
        vectors = generator.normal(size=(size, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        columns = {
            key: [f"{part}_{k}" for k in range(size)],
            "embedding": vector_lists(vectors, pa.array([True] * size)),
            "model": ["m"] * size,
            "weights": ["w"] * size,
        }
        table = pa.table(columns)
        # Vectors without dictionary, since their numbers rarely repeat; row groups as Spark writes.
        file, dictionary_columns = path / f"{part}.parquet", ["model", "weights"]
        pq.write_table(table, file, use_dictionary=dictionary_columns, row_group_size=50_000)


def compared(
    folder: Path, vectors: Path, queries: Path, rows: int, rounds: int, k: int
) -> dict[str, Any]:
    """Measure both sides for one k; a row of the table."""
    files = sorted(vectors.iterdir())
    sides: dict[str, Callable[[], object]]
    with mp.get_context("spawn").Pool(PROCESSES, limit_to_one_thread) as pool:
        sides = {
            "bare": lambda: pool.map(partial(search_with_faiss, queries, k), files),
            "one": partial(search_with_captionlake, folder, folder / "vectors_1", queries, k),
            "ours": partial(search_with_captionlake, folder, vectors, queries, k),
        }
        seconds_by_side: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
        for turn in range(rounds + 1):
            for name, work in sides.items():
                cpu_start, wall_start = tree_cpu_s(), time.monotonic()
                work()
                if turn:
                    seconds = (tree_cpu_s() - cpu_start, time.monotonic() - wall_start)
                    seconds_by_side[name].append(seconds)
    start_up = np.median(np.array(seconds_by_side["one"]), axis=0)
    bare_s, ours_s = np.array(seconds_by_side["bare"]), np.array(seconds_by_side["ours"]) - start_up
    ratios = np.median(bare_s / ours_s, axis=0)
    megabytes = rows * DIMENSION * 4 / 1e6
    return {
        "k": k,
        "vectors": rows,
        "queries": QUERIES,
        "faiss MB/s": float(megabytes / np.median(bare_s[:, 1])),
        "captionlake MB/s": float(megabytes / np.median(ours_s[:, 1])),
        "times as fast by CPU": float(ratios[0]),
        "by wall": float(ratios[1]),
        "start-up s": float(start_up[1]),
    }


def search_with_captionlake(folder: Path, vectors: Path, queries: Path, k: int) -> None:
    run_job(
        "search_neighbours", queries=str(queries), embeddings=str(vectors), k=k,
        output=str(folder / "found"),
    )  # fmt: skip


def limit_to_one_thread() -> None:
    import faiss

    faiss.omp_set_num_threads(1)


def search_with_faiss(queries: Path, k: int, file: Path) -> int:
    """Search the blocks of a file with faiss alone; the number of results."""
    import faiss

    query_vectors = matrix(pq.read_table(queries, columns=["embedding"])["embedding"])
    batches = pq.ParquetFile(file).iter_batches(batch_size=10_000, columns=["embedding"])
    n_results = 0
    for block in blocks(batches, BLOCK_ROWS):
        vectors = np.ascontiguousarray(matrix(block["embedding"]))
        metric = faiss.METRIC_INNER_PRODUCT
        similarity, _ = faiss.knn(query_vectors, vectors, min(k, len(vectors)), metric=metric)
        n_results += similarity.size
    return n_results


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000,
        int(sys.argv[3]) if len(sys.argv) > 3 else ROUNDS,
    )
