"""What a job on one row costs in a warm session, beside a bare Delta write of that row.

    python -m benchmarks.small_jobs [FOLDER]

Wall and CPU seconds, each the median of 5 after 3 rounds that are not counted; all in one session.
"""

import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.measuring import ROUNDS, report, tree_cpu_s
from benchmarks.spark_inputs import run_job, small_session

WARM_UP = 3


def jobs(folder: Path) -> dict[str, dict[str, Any]]:
    """Each job with settings over one row, in an order in which their inputs are there."""
    (folder / "in.jsonl").write_text(json.dumps({"uid": "u", "caption": "a cat"}) + "\n")
    (folder / "bank.txt").write_text("cat\n")
    captions, labels, matches = (str(folder / name) for name in ("captions", "labels", "matches"))
    counts, bank = str(folder / "counts"), str(folder / "bank.txt")
    rule = {"rule": "has_caption", "column": "caption", "op": "is_null", "value": False}
    settings: dict[str, dict[str, Any]] = {
        "ingest_captions": {"input": str(folder / "in.jsonl"), "output": captions},
        "dedup_captions": {"captions": captions, "by": "caption"},
        "build_concept_bank": {"sources": [f"lines:{bank}"]},
        "match_concepts": {
            "captions": captions, "bank": bank, "carry": True, "entry_counts": counts,
            "output": matches,
        },
        "balance_captions": {
            "captions": matches, "matches": matches, "entry_counts": counts, "t": 20,
            "probabilities": str(folder / "probabilities"),
        },
        "match_and_balance": {
            "input": captions, "bank": bank, "t": 20, "probabilities": str(folder / "p2"),
        },
        "plan_balance": {"matches": matches, "entry_counts": counts},
        "filter_captions": {"captions": captions, "rules": [rule]},
        "label_synsets": {"captions": captions, "synsets": "imagenet1k", "output": labels},
        "sample_subset": {"input": captions, "class_column": "caption", "n": 1},
        "export_captions": {"captions": matches, "matches": matches},
    }  # fmt: skip
    return settings


def main(folder: Path) -> None:
    spark = small_session()
    small = folder / "small_jobs"
    shutil.rmtree(small, ignore_errors=True)
    small.mkdir(parents=True)
    rows = {"bare Delta write": measured(lambda: bare_write(spark, small))}
    for name, settings in jobs(small).items():
        own = {"output": str(small / f"{name}.out"), "workspace": str(small)} | settings
        rows[name] = measured(lambda name=name, own=own: run_job(name, **own))
    bare_wall, bare_cpu = rows["bare Delta write"]
    table = [
        {
            "job on one row": name,
            "wall s": wall,
            "cpu s": cpu,
            "wall / bare write": wall / bare_wall,
            "cpu / bare write": cpu / bare_cpu,
        }
        for name, (wall, cpu) in rows.items()
    ]
    report("small_jobs", table, folder, rounds=ROUNDS)
    of_jobs = [wall for name, (wall, _) in rows.items() if name != "bare Delta write"]
    print(f"median over the jobs: {statistics.median(of_jobs):.2f} s wall")


def bare_write(spark: SparkSession, folder: Path) -> None:
    row = spark.createDataFrame([("u", "a cat")], "uid string, caption string")
    row.write.format("delta").mode("overwrite").save(str(folder / "bare"))


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of the work, the median of the rounds after a warm-up."""
    walls, cpus = [], []
    for _ in range(WARM_UP + ROUNDS):
        cpu, begun = tree_cpu_s(), time.perf_counter()
        work()
        walls.append(time.perf_counter() - begun)
        cpus.append(tree_cpu_s() - cpu)
    return statistics.median(walls[WARM_UP:]), statistics.median(cpus[WARM_UP:])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
