"""A snapshot read by Arrow and by petastorm, and batches chosen by concepts.

    python -m benchmarks.training_readers [FOLDER]

600,000 rows of uid and caption in row groups of 10,000, read in one process, shuffled, all rows
counted: batches of 1,024 by Arrow, row groups by petastorm's dummy pool, with and without its
shuffle of rows; and in batches of 4,096 out of super-batches of 20,480 rows by their entry_ids.
Sides alternate; seconds are medians of 3 rounds.
"""

import shutil
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.measuring import report
from captionlake.training import (
    ArrowBatches,
    ConceptChoice,
    Loader,
    PetastormBatches,
    Snapshot,
    open_snapshot,
)
from udfs.training.snapshot_files import write_snapshot

ROWS, FILES, ROW_GROUP, ROUNDS = 600_000, 4, 10_000, 3
CONCEPTS, KEEP, SUPER_BATCH = 20_000, 4_096, 20_480


def tables() -> Iterator[pa.Table]:
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, CONCEPTS + 1)
    for start in range(0, ROWS, ROWS // FILES):
        n = ROWS // FILES
        ids = rng.choice(CONCEPTS, 4 * n, p=weights / weights.sum()).astype(np.int32)
        offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 8, n))]).clip(max=4 * n)
        rows = range(start, start + n)
        yield pa.table(
            {
                "uid": [f"{row:032x}" for row in rows],
                "caption": [
                    f"a photo of a thing, number {row}, on a table in a room" for row in rows
                ],
                "entry_ids": pa.ListArray.from_arrays(offsets.astype(np.int32), ids),
            }
        )


def sides_of(snapshot: Snapshot) -> dict[str, tuple[Loader, int]]:
    """Name -> (its batches, the rows that they must have)."""
    texts = ["uid", "caption"]

    def choice(by: Any, **options: Any) -> Loader:
        chosen = ConceptChoice(KEEP / SUPER_BATCH, by, **options)
        columns = [*texts, "entry_ids"]
        read = ArrowBatches(snapshot, columns=columns, batch_size=SUPER_BATCH, transform=chosen)
        return Loader(read)

    kept = sum(
        round(KEEP / SUPER_BATCH * min(SUPER_BATCH, ROWS - start))
        for start in range(0, ROWS, SUPER_BATCH)
    )
    even = dict.fromkeys(range(CONCEPTS), 1.0)
    return {
        "Arrow": (Loader(ArrowBatches(snapshot, columns=texts)), ROWS),
        "Arrow, in order": (Loader(ArrowBatches(snapshot, columns=texts, shuffle=False)), ROWS),
        "petastorm": (Loader(PetastormBatches(snapshot, columns=texts)), ROWS),
        "petastorm, in order": (
            Loader(PetastormBatches(snapshot, columns=texts, shuffle=False)),
            ROWS,
        ),
        "super-batches, unchosen": (
            Loader(ArrowBatches(snapshot, columns=[*texts, "entry_ids"], batch_size=SUPER_BATCH)),
            ROWS,
        ),
        "chosen by frequency": (choice("frequency"), kept),
        "chosen by diversity": (choice("diversity"), kept),
        "chosen by target": (choice("target", shares=even), kept),
    }


def count(batches: Iterable[Any]) -> int:
    return sum(
        batch.num_rows if isinstance(batch, pa.RecordBatch) else len(batch["uid"])
        for batch in batches
    )


def main(folder: Path) -> None:
    work = folder / "training_readers"
    shutil.rmtree(work, ignore_errors=True)
    write_snapshot(str(work), tables(), row_group_rows=ROW_GROUP)
    sides = sides_of(open_snapshot(str(work)))
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for round_ in range(ROUNDS + 1):
        for name, (loader, expected) in sides.items():
            loader.set_epoch(round_)
            start, start_cpu = time.perf_counter(), time.process_time()
            n = count(loader)
            taken = time.perf_counter() - start, time.process_time() - start_cpu
            if n != expected:
                raise SystemExit(f"{name}: {n:,} rows of {expected:,}")
            if round_:  # the first compiles
                times[name].append(taken)
    rows = []
    for name, values in times.items():
        wall, cpu = (statistics.median(of_rounds) for of_rounds in zip(*values, strict=True))
        rows.append(
            {
                **{"side": name, "s": wall, "cpu s": cpu, "rows read/s": ROWS / wall},
                "rows read a CPU second": ROWS / cpu,
            }
        )
    report("training_readers", rows, folder, rounds=ROUNDS)
    shutil.rmtree(work)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("bench"))
