"""What a caption costs in jobs that other benchmarks leave out, and a whole run.

    python -m benchmarks.cost [FOLDER [CAPTIONS]]

cost: CPU time of a caption beyond a run of two rows, at the largest size measured and at a fifth of
it. whole: CAPTIONS (50 million) captions through `curate --no-intermediate`, wall and CPU
time. The driver heap is 4 GB.
"""

import shutil
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import inputs
from benchmarks.measuring import interleaved_cpu_s, report, tree_cpu_s
from benchmarks.spark_inputs import caption_table, raw_captions, run_job, small_session

SIZES = (2, 1_000_000, 5_000_000)
EMBEDDED = (2, 2_000, 10_000)
ENTRIES = 40_000
T = 200


def main(folder: Path, captions: int) -> None:
    small_session(**{"spark.driver.memory": "4g"})
    bank = folder / "cost_bank.txt"
    entries = inputs.bank(inputs.corpus(folder, 1_000_000), 500_000)[:ENTRIES]
    bank.write_text("\n".join(entries) + "\n", encoding="utf-8")
    out = folder / "cost"
    report("cost", [cost_row(*job) for job in jobs(folder, bank, out)], folder, rounds=3)
    report("whole", [whole(folder, bank, captions)], folder, note="With its start")
    shutil.rmtree(out, ignore_errors=True)


def jobs(
    folder: Path, bank: Path, out: Path
) -> list[tuple[str, tuple[int, ...], Callable[[int], object]]]:
    """(what is measured, numbers of captions, a call with the number) of each job."""
    curate: dict[str, Any] = {"bank": str(bank), "t": T, "report": False}

    def raw(rows: int, settings: dict[str, Any]) -> None:
        run_job("curate", input=raw_captions(_session(), folder, rows), **settings)

    def table(rows: int, job: str, **settings: Any) -> None:
        captions = caption_table(_session(), folder, rows)
        run_job(job, captions=captions, output=str(out / job), **settings)

    def embed(rows: int) -> None:
        captions = caption_table(_session(), folder, rows)
        shutil.rmtree(out / "vectors", ignore_errors=True)
        run_job("embed_texts", input=captions, output=str(out / "vectors"))

    alone = curate | {"intermediate": False, "dedup": "none", "output": str(out / "alone")}
    tables = curate | {"dedup": "caption", "output": str(out / "tables")}
    return [
        ("curate --no-intermediate", SIZES, partial(raw, settings=alone)),
        ("curate, with dedup and all tables", SIZES, partial(raw, settings=tables)),
        ("label-synsets (LAIONet)", SIZES, partial(table, job="label_synsets",
                                                  synsets="imagenet1k")),
        ("dedup-captions", SIZES, partial(table, job="dedup_captions", by="caption")),
        ("embed-texts (all-MiniLM-L6-v2, CPU)", EMBEDDED, embed),
    ]  # fmt: skip


def cost_row(name: str, sizes: tuple[int, ...], job: Callable[[int], object]) -> dict[str, Any]:
    """The median cost of a caption at the largest size, and at a fifth of it."""
    for rows in sizes:
        job(rows)  # makes the inputs
    seconds = interleaved_cpu_s({str(n): partial(job, n) for n in sizes}, rounds=3, warm_up=1)
    medians = {int(n): statistics.median(values) for n, values in seconds.items()}
    start_up = medians[sizes[0]]
    middle, largest = sizes[1:]
    s_per_caption = (medians[largest] - start_up) / largest
    return {
        "job": name,
        "captions": largest,
        "start-up s": start_up,
        "us a caption": s_per_caption * 1e6,
        "at a fifth": (medians[middle] - start_up) / middle * 1e6,
    }


def whole(folder: Path, bank: Path, captions: int) -> dict[str, Any]:
    """One run of `curate --no-intermediate` over all captions, with its own start-up."""
    raw = raw_captions(_session(), folder, captions)
    output = folder / "cost" / "whole"
    started_s, cpu_s = time.monotonic(), tree_cpu_s()
    summary = run_job(
        "curate",
        input=raw,
        bank=str(bank),
        t=T,
        report=False,
        dedup="none",
        intermediate=False,
        output=str(output),
    )
    counts = summary.counts["match-and-balance"]
    return {
        "captions": captions,
        "entries": ENTRIES,
        "wall s": time.monotonic() - started_s,
        "CPU s": tree_cpu_s() - cpu_s,
        **{name: counts[name] for name in ("matched", "matches", "kept")},
    }


def _session() -> Any:
    return small_session()


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        int(sys.argv[2]) if len(sys.argv) > 2 else 50_000_000,
    )
