"""Growth of driver memory, reads and shuffles with the input; optionally next to an older commit.

    python -m benchmarks.scale_vectors [FOLDER [TREE_BEFORE [ITEM ...]]]

TREE_BEFORE: a git worktree of an earlier commit, measured with the same inputs. Each size of each
item runs in a process of its own after a small warm-up run. Measured are the CPU seconds of the
process tree; the largest resident memory (MB) of the driver's Python and of one worker; and, from
Spark's event log, the records and MB that tasks read and the MB that they shuffled.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from pyspark.sql import DataFrame, SparkSession

from benchmarks.measuring import polling, report, tree_cpu_s
from benchmarks.spark_inputs import compute_all_rows, run_job, small_session
from benchmarks.task_times import event_log_settings, log_sizes

Work = Callable[[SparkSession, Path, int], object]
DIMENSION = 256


def main(folder: Path, before: Path | None, only: list[str]) -> None:
    trees = {} if before is None else {"before": before}
    trees["after"] = Path(__file__).parents[1]
    for item, (_work, sizes) in ITEMS.items():
        if only and item not in only:
            continue
        rows = []
        for size in sizes:
            for side, tree in trees.items():
                figures = measured(item, size, folder / side, tree)
                rows.append({"item": item, "size": size, "side": side, **figures})
                print(rows[-1], file=sys.stderr)
        report(f"scale_{item}", rows, folder)


def measured(item: str, size: int, folder: Path, tree: Path) -> dict[str, Any]:
    """Figures of `one` in a process with a tree's code; if it fails, its last line."""
    command = [sys.executable, __file__, "one", item, str(size), str(folder.absolute())]
    completed = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
    )
    if completed.returncode:
        return {"failed": (completed.stderr.strip().splitlines() or ["?"])[-1][:80]}
    figures: dict[str, Any] = json.loads(completed.stdout.strip().splitlines()[-1])
    return figures


def one(item: str, size: int, folder: Path) -> dict[str, Any]:
    """Measure one size of an item in this process."""
    events = folder / f"events_{item}"
    spark = small_session(**{"spark.sql.shuffle.partitions": "8", **event_log_settings(events)})
    work, sizes = ITEMS[item]
    work(spark, folder, min(1_000, sizes[0]))
    start_s, before = tree_cpu_s(), log_sizes(events)
    with largest_memory() as memory:
        work(spark, folder, size)
    cpu_s = tree_cpu_s() - start_s
    spark.stop()
    return {"cpu s": round(cpu_s, 1), **memory, **tasks_moved(events, before)}


@contextmanager
def largest_memory() -> Iterator[dict[str, int]]:
    """Context that tracks the largest resident MB of this process and of a worker, every 50 ms."""
    largest_mb = {"driver MB": 0, "worker MB": 0}
    driver = psutil.Process()

    def poll() -> None:
        workers = [p for p in driver.children(recursive=True) if _name_of(p).startswith("python")]
        for name, processes in (("driver MB", [driver]), ("worker MB", workers)):
            sizes_mb = [_resident_bytes(process) >> 20 for process in processes]
            largest_mb[name] = max([largest_mb[name], *sizes_mb])

    with polling(poll):
        yield largest_mb


def _name_of(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def tasks_moved(events: Path, before: dict[str, int]) -> dict[str, Any]:
    """Records and MB that tasks read from files, and MB they shuffled, after `before`."""
    records = bytes_read = bytes_shuffled = 0
    for file in events.iterdir():
        with file.open() as lines:
            lines.seek(before.get(file.name, 0))
            for line in lines:
                if '"SparkListenerTaskEnd"' in line:
                    metrics = json.loads(line)["Task Metrics"]
                    records += metrics["Input Metrics"]["Records Read"]
                    bytes_read += metrics["Input Metrics"]["Bytes Read"]
                    bytes_shuffled += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
    return {
        "records read": records,
        "MB read": bytes_read >> 20,
        "MB shuffled": bytes_shuffled >> 20,
    }


def vectors_table(spark: SparkSession, folder: Path, key: str, size: int) -> str:
    """Path of a table of random unit vectors, in eight files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from udfs.vectors import vector_lists

    path = folder / f"vectors_{key}_{size}"
    if not path.exists():
        path.mkdir(parents=True)
        generator = np.random.default_rng(size)
        for part, rows in enumerate(np.array_split(np.arange(size), 8)):
            vectors = generator.normal(size=(len(rows), DIMENSION)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            columns = {
                key: [f"{key}{row:09}" for row in rows],
                "embedding": vector_lists(vectors, pa.array([True] * len(rows))),
                "model": ["m"] * len(rows),
                "weights": ["w"] * len(rows),
            }
            pq.write_table(pa.table(columns), path / f"{part}.parquet")
    return str(path)


def index_training(spark: SparkSession, folder: Path, size: int) -> None:
    """Train on a fixed number of vectors of a growing table."""
    run_job(
        "build_index",
        embeddings=vectors_table(spark, folder, "uid", size),
        factory="IVF8,Flat",
        train_rows=10_000,
        output=str(folder / f"index_{size}"),
    )


def queries(spark: SparkSession, folder: Path, size: int) -> None:
    """A growing number of queries for the same 2,000 vectors."""
    run_job(
        "search_neighbours",
        queries=vectors_table(spark, folder, "query_id", size),
        embeddings=vectors_table(spark, folder, "uid", 2_000),
        k=10,
        output=str(folder / "found"),
    )


def on_driver(spark: SparkSession, folder: Path, size: int) -> None:
    """Collect a table of vectors as a matrix on the driver."""
    from spark_jobs.formats.embeddings import Embeddings, collect_vectors

    address = vectors_table(spark, folder, "query_id", size)
    rows = spark.read.parquet(address)
    collect_vectors(Embeddings(address, rows, ("m", "w"), DIMENSION, size, 0))


def greedy(spark: SparkSession, folder: Path, size: int) -> None:
    """Assign rows to items with 50 neighbours each; there are three times as many rows as items."""
    from spark_jobs.neighbours.assign import assign

    uid = f"md5(string(pmod(xxhash64(id, n), {3 * size})))"
    address = folder / f"pairs_{size}"
    if not (address / "_SUCCESS").exists():
        pairs = spark.range(0, size, 1, 16).selectExpr("id", "explode(sequence(0, 49)) n")
        columns = [
            f"{uid} uid", "md5(string(id)) query_id", "n rank", "float(1 - n / 100) similarity",
            "concat('n', pmod(id, 1000)) wnid", "id item_order",
        ]  # fmt: skip
        pairs.selectExpr(*columns).write.parquet(str(address))
    compute_all_rows(assign(spark.read.parquet(str(address)), "greedy", n_rows=50 * size))


def captions(spark: SparkSession, folder: Path, size: int) -> DataFrame:
    return spark.range(0, size, 1, 4).selectExpr(
        "md5(string(id)) uid",
        "concat('a photo of number ', id, ' beside ', pmod(xxhash64(id), 1000)) caption",
        "pmod(xxhash64(id), 2000) width",
    )


def filters(spark: SparkSession, folder: Path, size: int) -> None:
    """Filter captions by a comparison and by the top fraction of scores from another table."""
    tables = {name: str(folder / f"{name}_{size}") for name in ("captions", "scores")}
    rows = captions(spark, folder, size)
    scores = rows.selectExpr("uid", "float(pmod(xxhash64(uid), 1000003) / 1000003) score")
    for name, frame in (("captions", rows), ("scores", scores)):
        if not Path(tables[name]).exists():
            frame.write.format("delta").save(tables[name])
    run_job(
        "filter_captions",
        **tables,
        rules=[
            {"rule": "narrow", "column": "width", "op": ">=", "value": 200},
            {"rule": "clip", "column": "score", "top_fraction": 0.3},
        ],
        output=str(folder / "filtered"),
    )


def ingest_csv(spark: SparkSession, folder: Path, size: int) -> None:
    """Ingest CSV files without rejected rows."""
    address = folder / f"csv_{size}"
    if not address.exists():
        captions(spark, folder, size).write.option("header", True).csv(str(address))
    run_job("ingest_captions", input=f"{address}/*.csv", output=str(folder / "ingested"))


def classes(spark: SparkSession, folder: Path, size: int) -> None:
    """Draw one of two rows of each class, of a growing number of classes."""
    from spark_jobs.core.draws import Draw
    from spark_jobs.subsets.draw import count_classes, draw_per_class

    rows = spark.range(0, 2 * size, 1, 8).selectExpr(
        "md5(string(id)) uid", f"concat('entry number ', pmod(id, {size})) class"
    )
    counts = count_classes(rows, "class")
    wanted = dict.fromkeys(counts, 1)
    compute_all_rows(draw_per_class(rows, "class", wanted, counts, draw=Draw("bench", 0)))


ITEMS: dict[str, tuple[Work, tuple[int, ...]]] = {
    "index_training": (index_training, (30_000, 100_000, 300_000)),
    "queries": (queries, (30_000, 100_000, 300_000)),
    "on_driver": (on_driver, (30_000, 100_000, 300_000)),
    "greedy": (greedy, (10_000, 100_000, 1_000_000)),
    "filters": (filters, (100_000, 300_000, 1_000_000)),
    "ingest_csv": (ingest_csv, (100_000, 300_000, 1_000_000)),
    "classes": (classes, (100_000, 300_000, 1_000_000)),
}


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(one(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
    else:
        folder, before, *only = [*sys.argv[1:], *["bench", ""][len(sys.argv) - 1 :]]
        main(Path(folder), Path(before) if before else None, only)
