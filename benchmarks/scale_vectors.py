"""How what passes the driver grows, and how often inputs are read; beside an older state if given.

    python -m benchmarks.scale_vectors [FOLDER [TREE_BEFORE [ITEM ...]]]

TREE_BEFORE: a git worktree of an earlier commit, measured with the same inputs. Each size of each
item runs in a process of its own: CPU seconds of all its processes, after a first small run that is
not counted; the largest resident memory of the driver's Python and of one worker in MB; and from
Spark's event log the records and MB that tasks read, and the MB that they shuffled.
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

from benchmarks.measuring import meanwhile, report, tree_cpu_s
from benchmarks.spark_inputs import do_nothing_with, run_job, small_session
from benchmarks.task_times import log_sizes, logged

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
    """What a process of a tree's code says of itself; its last line where it fails."""
    command = [sys.executable, __file__, "one", item, str(size), str(folder.absolute())]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
    )
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["?"])[-1][:80]}
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def one(item: str, size: int, folder: Path) -> dict[str, Any]:
    """One size of an item in this process."""
    events = folder / f"events_{item}"
    spark = small_session(**{"spark.sql.shuffle.partitions": "8", **logged(events)})
    work, sizes = ITEMS[item]
    work(spark, folder, min(1_000, sizes[0]))
    begun, before = tree_cpu_s(), log_sizes(events)
    with largest_memory() as memory:
        work(spark, folder, size)
    cpu = tree_cpu_s() - begun
    spark.stop()
    return {"cpu s": round(cpu, 1), **memory, **tasks_moved(events, before)}


@contextmanager
def largest_memory() -> Iterator[dict[str, int]]:
    """The largest resident MB of this process and of a Python worker, seen every 50 ms."""
    seen = {"driver MB": 0, "worker MB": 0}
    me = psutil.Process()

    def look() -> None:
        workers = [p for p in me.children(recursive=True) if _name_of(p).startswith("python")]
        for name, processes in (("driver MB", [me]), ("worker MB", workers)):
            sizes = [_resident(process) >> 20 for process in processes]
            seen[name] = max([seen[name], *sizes])

    with meanwhile(look):
        yield seen


def _name_of(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def tasks_moved(events: Path, before: dict[str, int]) -> dict[str, Any]:
    """Records and MB read from files, and MB shuffled, by the tasks of the event log."""
    records = read = shuffled = 0
    for file in events.iterdir():
        with file.open() as lines:
            lines.seek(before.get(file.name, 0))
            for line in lines:
                if '"SparkListenerTaskEnd"' in line:
                    metrics = json.loads(line)["Task Metrics"]
                    records += metrics["Input Metrics"]["Records Read"]
                    read += metrics["Input Metrics"]["Bytes Read"]
                    shuffled += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
    return {"records read": records, "MB read": read >> 20, "MB shuffled": shuffled >> 20}


def vectors_table(spark: SparkSession, folder: Path, key: str, size: int) -> str:
    """Unit vectors drawn evenly, in eight files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from udfs.vectors import vector_lists

    path = folder / f"vectors_{key}_{size}"
    if not path.exists():
        path.mkdir(parents=True)
        draws = np.random.default_rng(size)
        for part, rows in enumerate(np.array_split(np.arange(size), 8)):
            drawn = draws.normal(size=(len(rows), DIMENSION)).astype(np.float32)
            drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
            columns = {
                key: [f"{key}{row:09}" for row in rows],
                "embedding": vector_lists(drawn, pa.array([True] * len(rows))),
                "model": ["m"] * len(rows),
                "weights": ["w"] * len(rows),
            }
            pq.write_table(pa.table(columns), path / f"{part}.parquet")
    return str(path)


def index_training(spark: SparkSession, folder: Path, size: int) -> None:
    """A fixed number of vectors to train on, of ever more."""
    run_job(
        "build_index",
        embeddings=vectors_table(spark, folder, "uid", size),
        factory="IVF8,Flat",
        train_rows=10_000,
        output=str(folder / f"index_{size}"),
    )


def queries(spark: SparkSession, folder: Path, size: int) -> None:
    """Ever more queries for the same 2,000 vectors."""
    run_job(
        "search_neighbours",
        queries=vectors_table(spark, folder, "query_id", size),
        embeddings=vectors_table(spark, folder, "uid", 2_000),
        k=10,
        output=str(folder / "found"),
    )


def on_driver(spark: SparkSession, folder: Path, size: int) -> None:
    """The vectors of all queries as a matrix."""
    from spark_jobs.formats.embeddings import Embeddings, collect_vectors

    address = vectors_table(spark, folder, "query_id", size)
    rows = spark.read.parquet(address)
    collect_vectors(Embeddings(address, rows, ("m", "w"), DIMENSION, size, 0))


def greedy(spark: SparkSession, folder: Path, size: int) -> None:
    """Items with 50 neighbours each, of three times as many rows as there are items."""
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
    do_nothing_with(assign(spark.read.parquet(str(address)), "greedy"))


def captions(spark: SparkSession, folder: Path, size: int) -> DataFrame:
    return spark.range(0, size, 1, 4).selectExpr(
        "md5(string(id)) uid",
        "concat('a photo of number ', id, ' beside ', pmod(xxhash64(id), 1000)) caption",
        "pmod(xxhash64(id), 2000) width",
    )


def filters(spark: SparkSession, folder: Path, size: int) -> None:
    """A share of the largest scores, and a comparison, of captions with scores in a table."""
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
    """CSV files, all rows of which can be taken."""
    address = folder / f"csv_{size}"
    if not address.exists():
        captions(spark, folder, size).write.option("header", True).csv(str(address))
    run_job("ingest_captions", input=f"{address}/*.csv", output=str(folder / "ingested"))


def classes(spark: SparkSession, folder: Path, size: int) -> None:
    """Of each of ever more classes one of two rows."""
    from spark_jobs.core.draws import Draw
    from spark_jobs.subsets.draw import count_classes, draw_per_class

    rows = spark.range(0, 2 * size, 1, 8).selectExpr(
        "md5(string(id)) uid", f"concat('entry number ', pmod(id, {size})) class"
    )
    counts = count_classes(rows, "class")
    wanted = dict.fromkeys(counts, 1)
    do_nothing_with(draw_per_class(rows, "class", wanted, counts, draw=Draw("bench", 0)))


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
