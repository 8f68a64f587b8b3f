"""Search and cluster assignment on a GPU, without Spark, beside bare loops of torch.

    python -m benchmarks.gpu_search [FOLDER [ROWS]]

Ours: vectors on the host in, exact results on the host out, by what search-neighbours and
cluster-images run in a task, on the GPU and in one thread of the CPU. The bare side: torch's
products in bfloat16 with topk or argmax on the same GPU, results fetched at the end, which misses
some. ROWS random unit vectors of 512 numbers are searched, and a fifth of them is assigned. Wall
seconds, medians of 3 interleaved rounds; the CPU has one round over fewer vectors, of which the GPU
must give the very same results.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.measuring import report
from udfs.device_products import DeviceCentroids, DeviceProducts
from udfs.nearest_centroids import CentroidSearch
from udfs.neighbours import BLOCK_ROWS, Nearest
from udfs.products import fastest_products
from udfs.vectors import Vectors

DIMENSION, K, ROUNDS = 512, 50, 3
_ON_CPU = 2e11  # multiplications of the CPU's round
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main(folder: Path, n_rows: int) -> None:
    start_s, device = _timed(started_gpu)
    starts = range(0, n_rows, BLOCK_ROWS)
    with ThreadPoolExecutor() as pool:  # numpy draws without the interpreter's lock
        sizes = [min(BLOCK_ROWS, n_rows - start) for start in starts]
        vectors = list(pool.map(unit, starts, sizes))
    rows = [search_row(vectors, n_queries, device) for n_queries in (4_096, 50)]
    n_assigned = n_rows // 5
    some = np.concatenate(vectors[: 1 + n_assigned // BLOCK_ROWS])[:n_assigned]
    rows += [centroid_row(some, n_centroids, device) for n_centroids in (1_000, 100_000)]
    note = (
        "captionlake's results are exact, and the same on GPU and CPU; the CPU has one thread, one "
        "round and the vectors of its column. Missed: the share of results that the bare loop has "
        f"otherwise. torch and the GPU start in {start_s:.1f} s"
    )
    report("gpu_search", rows, folder, rounds=ROUNDS, note=note)


def started_gpu() -> str:
    """The GPU, ready to multiply; the CPU where there is none, to try the benchmark."""
    import torch

    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    one = torch.ones(8, 8, device=device).bfloat16()
    float((one @ one).sum())
    return device


def unit(seed: int, n: int) -> Vectors:
    vectors = np.random.default_rng(seed + 1).standard_normal((n, DIMENSION), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def search_row(blocks: list[Vectors], n_queries: int, device: str) -> dict[str, Any]:
    queries = unit(-1, n_queries)
    ours = partial(searched, queries, lambda: DeviceProducts(queries, device))
    few = _few(blocks, queries.size)
    on_cpu = partial(searched, queries, lambda: fastest_products(queries, 1 << 40))
    seconds, (exact, bare) = _rounds(
        [partial(ours, blocks), partial(searched_bare, queries, blocks, device)]
    )
    on_cpu([few[0][:1_000]])  # compiles
    cpu_s, of_cpu = _timed(partial(on_cpu, few))
    assert np.array_equal(of_cpu, ours(few)), "GPU and CPU differ"
    n_missed = sum(len(np.setdiff1d(*pair)) for pair in zip(exact, bare, strict=True))
    n = sum(map(len, blocks))
    row = {"of": "`search-neighbours`", "queries or centroids": n_queries, "vectors": n}
    return row | _figures(n, seconds, sum(map(len, few)), cpu_s, n_missed / exact.size)


def centroid_row(vectors: Vectors, n_centroids: int, device: str) -> dict[str, Any]:
    centroids = unit(-1, n_centroids)
    few = np.concatenate(_few([vectors], centroids.size))
    assigned(centroids, vectors[:1_000], device)  # compiles, allocates
    seconds, (exact, bare) = _rounds(
        [
            partial(assigned, centroids, vectors, device),
            partial(assigned_bare, centroids, vectors, device),
        ]
    )
    assigned(centroids[:100], few[:100], None)  # compiles
    cpu_s, of_cpu = _timed(partial(assigned, centroids, few, None))
    assert np.array_equal(of_cpu, exact[: len(few)]), "GPU and CPU differ"
    n = len(vectors)
    row = {"of": "`cluster-images`", "queries or centroids": n_centroids, "vectors": n}
    return row | _figures(n, seconds, len(few), cpu_s, float((exact != bare).mean()))


def _few(blocks: list[Vectors], numbers: int) -> list[Vectors]:
    """As many of the first vectors as the CPU's round has time for."""
    n, few = max(1_000, int(_ON_CPU / numbers)), []
    for block in blocks:
        few.append(block[:n])
        n -= len(few[-1])
        if n <= 0:
            break
    return few


def _figures(
    n: int, seconds: list[float], n_on_cpu: int, cpu_s: float, missed: float
) -> dict[str, float]:
    ours_s, bare_s = seconds
    return {
        "captionlake, vectors/s": n / ours_s,
        "bare loop, vectors/s": n / bare_s,
        "missed by it": missed,
        "of its speed": bare_s / ours_s,
        "vectors on CPU": n_on_cpu,
        "one CPU thread, vectors/s": n_on_cpu / cpu_s,
        "times one thread": n / ours_s / (n_on_cpu / cpu_s),
    }


def _rounds(sides: list[Callable[[], Any]]) -> tuple[list[float], list[Any]]:
    """Median seconds of each side, after a round to warm up, and what each gives."""
    turns = [[_timed(side) for side in sides] for _ in range(ROUNDS + 1)]
    seconds = [statistics.median(turn[i][0] for turn in turns[1:]) for i in range(len(sides))]
    print("seconds:", [[round(s, 3) for s, _ in turn] for turn in turns], flush=True)
    return seconds, [result for _, result in turns[-1]]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.monotonic()
    result = work()
    return time.monotonic() - start, result


def searched(
    queries: Vectors, products: Callable[[], Any], blocks: list[Vectors]
) -> np.ndarray[Any, Any]:
    """The rows of the K nearest of each query, ascending, (queries, K)."""
    search, start = Nearest(queries, K, products()), 0
    for block in blocks:
        rows = np.arange(start, start + len(block))
        search.add(block, pa.nulls(len(block), pa.string()), rows)
        start += len(block)
    found = search.result()
    query, row = found["query"].to_numpy(), found["tie"].to_numpy()
    nearest: np.ndarray[Any, Any] = row[np.lexsort((row, query))].reshape(len(queries), -1)
    return nearest


def searched_bare(queries: Vectors, blocks: list[Vectors], device: str) -> np.ndarray[Any, Any]:
    import torch

    with torch.inference_mode():
        fixed = torch.from_numpy(queries).to(device).bfloat16()
        best, rows, start = None, None, 0
        for block in blocks:
            products = fixed @ torch.from_numpy(block).to(device).bfloat16().T
            values, found = products.topk(min(K, len(block)), dim=1)
            found += start
            start += len(block)
            if best is not None:
                values, found = torch.cat([best, values], 1), torch.cat([rows, found], 1)
                values, order = values.topk(K, dim=1)
                found = found.gather(1, order)
            best, rows = values, found
        nearest: np.ndarray[Any, Any] = rows.sort(dim=1).values.cpu().numpy()
    return nearest


def assigned(centroids: Vectors, vectors: Vectors, device: str | None) -> np.ndarray[Any, Any]:
    """The best centroid of each vector; without a device by the CPU."""
    search = CentroidSearch(centroids)
    search._was_device_tried = True
    search._device = None if device is None else DeviceCentroids(centroids, device)
    return search.of(vectors)[0]


def assigned_bare(centroids: Vectors, vectors: Vectors, device: str) -> np.ndarray[Any, Any]:
    import torch

    with torch.inference_mode():
        fixed = torch.from_numpy(centroids).to(device).bfloat16().T
        found = []
        for start in range(0, len(vectors), 1 << 13):
            part = torch.from_numpy(vectors[start : start + (1 << 13)]).to(device).bfloat16()
            found.append((part @ fixed).argmax(dim=1))
        best: np.ndarray[Any, Any] = torch.cat(found).cpu().numpy()
    return best


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in _ONE_THREAD.items()):
        # Libraries read these as they are loaded.
        command = [sys.executable, "-m", "benchmarks.gpu_search", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | _ONE_THREAD)
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000,
    )
