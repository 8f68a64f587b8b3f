"""What one hot value, long lists and many held rows cost, beside the code of another commit.

    python -m benchmarks.scale [FOLDER [OTHER]]

OTHER: a folder with the code of another commit, as `git archive` or `git worktree` make it. Each
side runs in a process of its own, which is warm before it is measured: CPU time of the whole tree,
and of the tasks of the stage that is worst the longest over the median.
"""

import json
import os
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
from benchmarks.spark_inputs import do_nothing_with, small_session
from benchmarks.task_times import log_sizes, logged, longest_over_median
from udfs.balancing import SmallestDraws

HOT_ROWS = 1_000_000
SHARES = (0.0, 0.5, 0.9)  # of the rows, which have one caption
LISTED = (100, 1_000, 10_000)
DRAWN = (100_000, 300_000, 1_000_000)
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
    """What an item gives with the packages at a path."""
    here = str(Path(__file__).parents[1])
    paths = os.pathsep.join([*([path] if path else []), here])
    command = [
        sys.executable,
        __file__,
        item,
        str(folder / f"{item}_{'other' if path else 'ours'}"),
    ]
    out = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
    )
    found: list[dict[str, Any]] = json.loads(out.stdout.splitlines()[-1])
    return found


def captions(spark: SparkSession, folder: Path, rows: int, share: float) -> DataFrame:
    """uid, caption and a number, of which a share of the rows has the same caption."""
    address = folder / f"captions_{rows}_{share}"
    if not (address / "_SUCCESS").exists():
        draw = F.pmod(F.xxhash64("id", F.lit(1)), F.lit(1_000)) / 1_000
        # Not in the order of the rows, which would be half of a sort.
        own = F.concat(
            F.lit("a photo of a thing with the number "), F.xxhash64("id").cast("string")
        )
        caption = F.when(draw < share, F.lit("a photo of the one thing")).otherwise(own)
        uid = F.md5(F.col("id").cast("string")).alias("uid")
        made = spark.range(0, rows, 1, SPLITS).select(uid, caption.alias("caption"), "id")
        made.write.parquet(str(address))
    return spark.read.parquet(str(address))


def measured(work: Callable[[], object], events: Path) -> dict[str, Any]:
    """CPU seconds and the worst stage's longest task over its median, of the second time."""
    work()
    before = log_sizes(events)
    seconds = cpu_s(work)
    worst = max(longest_over_median(events, before), default=(1.0, 0))
    return {"cpu s": seconds, "longest / median": worst[0], "tasks": worst[1]}


def by_share(
    folder: Path, work: Callable[[DataFrame], Callable[[], object]]
) -> list[dict[str, Any]]:
    """What work on captions costs with none, half and nine tenths of them equal."""
    events = folder / "events"
    conf = logged(events) | {"spark.driver.memory": "2g", "spark.sql.files.openCostInBytes": "64m"}
    spark = small_session(**conf)
    found = []
    for share in SHARES:
        rows = captions(spark, folder, HOT_ROWS, share)
        found.append({"equal": share, **measured(work(rows), events)})
    spark.stop()
    return found


def ingest(folder: Path) -> list[dict[str, Any]]:
    """The rejected rows of an input whose captions are their identity, each with a number."""
    return by_share(folder, partial(_rejected, columns=["caption", "id"]))


def ingest_equal(folder: Path) -> list[dict[str, Any]]:
    """The same where copies are equal throughout."""
    return by_share(folder, partial(_rejected, columns=["caption"]))


def _rejected(rows: DataFrame, columns: list[str]) -> Callable[[], object]:
    from spark_jobs.ingest.normalise import NormaliseOptions, caption_rows, rejected, repeated_keys
    from spark_jobs.ingest.presets import column_map
    from spark_jobs.ingest.source import part_from_frame

    part = part_from_frame(rows.select(columns), columns)
    options = NormaliseOptions(carry=True, source=None, max_caption_bytes=1 << 24)
    ours = caption_rows([part], lambda p: column_map(None, None, p.names), options)
    listed = [row[0] for row in repeated_keys(ours).collect()]
    return lambda: do_nothing_with(rejected(ours, listed, run_id="r", job="j"))


def dedup(folder: Path) -> list[dict[str, Any]]:
    """One row of each caption."""
    from spark_jobs.dedup.exact import keep_smallest_uid

    return by_share(
        folder, lambda rows: partial(do_nothing_with, keep_smallest_uid(rows, by=["caption"]))
    )


def dedup_marks(folder: Path) -> list[dict[str, Any]]:
    """A decision for each row."""
    from spark_jobs.dedup.exact import mark_smallest_uid

    def marked(rows: DataFrame) -> Callable[[], object]:
        frame = mark_smallest_uid(rows.select("uid", "caption"), by=["caption"])
        return partial(do_nothing_with, frame.select("uid", "kept"))

    return by_share(folder, marked)


def listed_classes(folder: Path) -> list[dict[str, Any]]:
    """Ten rows of so many classes, by `isin` and by `rows_of_classes`."""
    from spark_jobs.subsets.draw import rows_of_classes

    spark = small_session()
    rows = spark.range(10).select(F.concat(F.lit("c"), F.col("id").cast("string")).alias("wnid"))
    found = []
    for size in LISTED:
        names = [f"c{k}" for k in range(size)]
        ways = {
            "isin": lambda names=names: rows.where(F.col("wnid").isin(names)).count(),
            "rows_of_classes": lambda names=names: rows_of_classes(rows, "wnid", names).count(),
        }
        ways["isin"]()
        found.append({"classes": size, **{way: cpu_s(work) for way, work in ways.items()}})
    spark.stop()
    return found


def floor(_folder: Path) -> list[dict[str, Any]]:
    """Microseconds a row of the lowest draws of each entry, in one task."""
    return [{"rows": rows, "us a row": _floor_s(rows) / rows * 1e6} for rows in DRAWN]


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
