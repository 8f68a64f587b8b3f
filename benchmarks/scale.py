"""Cost of one hot value, of long lists and of buffered rows, next to the code of another commit.

    python -m benchmarks.scale [FOLDER [OTHER]]

OTHER: a folder with the code of another commit, as made by `git archive` or `git worktree`. Each
side runs in a process of its own and is warmed up first. Measured are the CPU time of the process
tree, and the longest task over the median one in the most skewed stage.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.measuring import cpu_s, report
from benchmarks.spark_inputs import compute_all_rows, run_job, small_session
from benchmarks.task_times import event_log_settings, log_sizes, longest_over_median
from udfs.balancing import SmallestDraws

HOT_ROWS, EMBEDDED_ROWS = 1_000_000, 100_000
SHARES = (0.0, 0.5, 0.9)  # of the rows, with the same caption
N_CLASSES = (100, 1_000, 10_000)
DRAWN_ROWS = (100_000, 300_000, 1_000_000)
FLOOR, ENTRIES = 20, 50_000
SPLITS = 16


def main(folder: Path, other: str | None) -> None:
    for item in ITEMS:
        rows = []
        for side, path in {"ours": None, "other": other}.items():
            if side == "ours" or path is not None:
                rows += [{"side": side, **row} for row in in_process(item, folder, path)]
        report(f"scale_{item}", rows, folder)


def in_process(item: str, folder: Path, path: str | None) -> list[dict[str, Any]]:
    """Run an item in a process with the packages at `path`, else with ours; its rows."""
    here = str(Path(__file__).parents[1])
    paths = os.pathsep.join([*([path] if path else []), here])
    command = [
        sys.executable,
        __file__,
        item,
        str(folder / f"{item}_{'other' if path else 'ours'}"),
    ]
    completed = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
    )
    rows: list[dict[str, Any]] = json.loads(completed.stdout.splitlines()[-1])
    return rows


def captions(spark: SparkSession, folder: Path, rows: int, share: float) -> DataFrame:
    """Rows of uid, caption and id; `share` of them have the same caption."""
    address = folder / f"captions_{rows}_{share}"
    if not (address / "_SUCCESS").exists():
        draw = F.pmod(F.xxhash64("id", F.lit(1)), F.lit(1_000)) / 1_000
        # In no order: rows that are sorted already would save half of a sort.
        own_caption = F.concat(
            F.lit("a photo of a thing with the number "), F.xxhash64("id").cast("string")
        )
        caption = F.when(draw < share, F.lit("a photo of the one thing")).otherwise(own_caption)
        uid = F.md5(F.col("id").cast("string")).alias("uid")
        table = spark.range(0, rows, 1, SPLITS).select(uid, caption.alias("caption"), "id")
        table.write.parquet(str(address))
    return spark.read.parquet(str(address))


def measured(work: Callable[[], object], events: Path) -> dict[str, Any]:
    """CPU seconds of the second call, and the most skewed stage's longest task over its median."""
    work()
    before = log_sizes(events)
    seconds = cpu_s(work)
    worst = max(longest_over_median(events, before), default=(1.0, 0))
    return {"cpu s": seconds, "longest / median": worst[0], "tasks": worst[1]}


def by_share(
    folder: Path, work: Callable[[DataFrame], Callable[[], object]], rows: int = HOT_ROWS
) -> list[dict[str, Any]]:
    """Cost of work on captions of which none, half or nine tenths are equal."""
    events = folder / "events"
    conf = event_log_settings(events) | {
        "spark.driver.memory": "2g",
        "spark.sql.files.openCostInBytes": "64m",
    }
    spark = small_session(**conf)
    table = []
    for share in SHARES:
        with_copies = captions(spark, folder, rows, share)
        table.append({"equal": share, **measured(work(with_copies), events)})
    spark.stop()
    return table


def ingest(folder: Path) -> list[dict[str, Any]]:
    """Rejected rows of an input without uid, identified by caption; equal captions differ in id."""
    return by_share(folder, partial(_rejected, columns=["caption", "id"]))


def ingest_equal(folder: Path) -> list[dict[str, Any]]:
    """As `ingest`, with equal captions in fully equal rows."""
    return by_share(folder, partial(_rejected, columns=["caption"]))


def _rejected(rows: DataFrame, columns: list[str]) -> Callable[[], object]:
    from spark_jobs.ingest.accepted_rows import rejected, repeated_keys
    from spark_jobs.ingest.column_map import column_map
    from spark_jobs.ingest.normalise import NormaliseOptions, caption_rows
    from spark_jobs.ingest.source import part_from_frame

    part = part_from_frame(rows.select(columns), columns)
    options = NormaliseOptions(carry=True, source=None, max_caption_bytes=1 << 24)
    normalised = caption_rows([part], lambda p: column_map(None, None, p.names), options)
    repeated = [row[0] for row in repeated_keys(normalised).collect()]
    return lambda: compute_all_rows(rejected(normalised, repeated, run_id="r", job="j"))


def dedup(folder: Path) -> list[dict[str, Any]]:
    """Keep one row of each caption."""
    from spark_jobs.dedup.exact import keep_smallest_uid

    return by_share(
        folder, lambda rows: partial(compute_all_rows, keep_smallest_uid(rows, by=["caption"]))
    )


def dedup_marks(folder: Path) -> list[dict[str, Any]]:
    """Mark each row as kept or not."""
    from spark_jobs.dedup.exact import mark_smallest_uid

    def mark(rows: DataFrame) -> Callable[[], object]:
        frame = mark_smallest_uid(rows.select("uid", "caption"), by=["caption"])
        return partial(compute_all_rows, frame.select("uid", "kept"))

    return by_share(folder, mark)


def embed(folder: Path) -> list[dict[str, Any]]:
    """Embed texts by a small model: all copies of one need its vector."""
    from tests.small_clip import make_clip

    model, output = make_clip(folder / "model"), folder / "vectors"

    def embed_again(rows: DataFrame) -> Callable[[], object]:
        texts = str(folder / "texts")
        rows.select("uid", "caption").write.format("delta").mode("overwrite").save(texts)

        def job() -> None:
            shutil.rmtree(output, ignore_errors=True)  # what is there is not embedded again
            run_job(
                "embed_texts",
                input=texts,
                model=f"open_clip:{model}",
                output=str(output),
                commits=1,
            )

        return job

    return by_share(folder, embed_again, rows=EMBEDDED_ROWS)


def listed_classes(folder: Path) -> list[dict[str, Any]]:
    """Select ten rows by a list of classes, with `isin` and with `rows_of_classes`."""
    from spark_jobs.subsets.draw import rows_of_classes

    spark = small_session()
    rows = spark.range(10).select(F.concat(F.lit("c"), F.col("id").cast("string")).alias("wnid"))
    table = []
    for size in N_CLASSES:
        names = [f"c{k}" for k in range(size)]
        ways = {
            "isin": lambda names=names: rows.where(F.col("wnid").isin(names)).count(),
            "rows_of_classes": lambda names=names: rows_of_classes(rows, "wnid", names).count(),
        }
        ways["isin"]()
        table.append({"classes": size, **{way: cpu_s(work) for way, work in ways.items()}})
    spark.stop()
    return table


def floor(_folder: Path) -> list[dict[str, Any]]:
    """Microseconds per row to keep each entry's smallest draws, in one task."""
    return [{"rows": rows, "us a row": _floor_s(rows) / rows * 1e6} for rows in DRAWN_ROWS]


def _floor_s(rows: int) -> float:
    draws = np.random.default_rng(0)
    smallest = SmallestDraws(np.full(ENTRIES, FLOOR))
    seconds = 0.0
    for batch in range(rows // 10_000):
        sizes = draws.integers(1, 7, 10_000)
        ids = (draws.zipf(1.3, sizes.sum()) % ENTRIES).astype(np.int32)
        ends = np.concatenate([[0], sizes.cumsum()]).astype(np.int32)
        lists = pa.ListArray.from_arrays(pa.array(ends), pa.array(ids))
        uids = pa.array([f"{batch:016}{row:016}" for row in range(10_000)])
        seconds += cpu_s(partial(smallest.add, lists, pa.array(draws.random(10_000)), uids))
    return seconds + cpu_s(smallest.rows)


ITEMS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "floor": floor,
    "listed_classes": listed_classes,
    "ingest": ingest,
    "embed": embed,
    "ingest_equal": ingest_equal,
    "dedup": dedup,
    "dedup_marks": dedup_marks,
}

if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ITEMS:
        print(json.dumps(ITEMS[sys.argv[1]](Path(sys.argv[2]))))
    else:
        main(
            Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
            sys.argv[2] if len(sys.argv) > 2 else None,
        )
