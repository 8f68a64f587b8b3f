"""Shards for training written by export-webdataset's task, beside tarfile writing the same bytes.

    python -m benchmarks.training_shards [FOLDER]

16,000 samples of 40 KB images in shards of 4,000, from the batches that Spark hands to Python,
beside `tarfile.addfile` of the same members, one thread each. Sides alternate; the files are
compared byte for byte; seconds are medians of 5 rounds.
"""

import io
import shutil
import statistics
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.measuring import report
from udfs.images.webdataset_shards import shard_name, write_shards

SAMPLES, BYTES, PER_SHARD, ROWS_OF_BATCH, ROUNDS = 16_000, 40_000, 4_000, 800, 5
N_SHARDS = SAMPLES // PER_SHARD


def batches() -> list[pa.RecordBatch]:
    """All samples, in the batches of 32 MB that a task gets."""
    rng = np.random.default_rng(0)
    image = b"\xff\xd8\xff" + rng.bytes(2 * BYTES)
    made = []
    for start in range(0, SAMPLES, ROWS_OF_BATCH):
        places = range(start, start + ROWS_OF_BATCH)
        sizes = rng.integers(BYTES // 2, BYTES * 3 // 2, ROWS_OF_BATCH).tolist()
        columns = {
            "shard": pa.array([place // PER_SHARD for place in places], pa.int32()),
            "place": pa.array(places, pa.int64()),
            "image": pa.array([image[:size] for size in sizes]),
            "text": pa.array([f"a photo of the cat number {place}" for place in places]),
            "record": pa.array([f'{{"uid":"{p:032x}","entry_ids":[1,2,3]}}' for p in places]),
        }
        made.append(pa.RecordBatch.from_pydict(columns))
    return made


def by_task(folder: Path, rows: list[pa.RecordBatch]) -> None:
    for _ in write_shards(str(folder), N_SHARDS)(rows):
        pass


def by_tarfile(folder: Path, samples: list[list[tuple[str, bytes]]]) -> None:
    for number, members in enumerate(samples):
        path = folder / shard_name(number, N_SHARDS)
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in members:
                header = tarfile.TarInfo(name)
                header.size = len(content)
                archive.addfile(header, io.BytesIO(content))


def members_of(rows: list[pa.RecordBatch]) -> list[list[tuple[str, bytes]]]:
    """The members of each shard, which tarfile is given ready."""
    shards: list[list[tuple[str, bytes]]] = [[] for _ in range(N_SHARDS)]
    for batch in rows:
        for row in batch.to_pylist():
            key = f"{row['place']:09}"
            shards[row["shard"]] += [
                (f"{key}.jpg", row["image"]),
                (f"{key}.txt", row["text"].encode()),
                (f"{key}.json", row["record"].encode()),
            ]
    return shards


def main(folder: Path) -> None:
    work = folder / "training_shards"
    shutil.rmtree(work, ignore_errors=True)
    rows = batches()
    samples = members_of(rows)
    sides: dict[str, Callable[[Path], None]] = {
        "tarfile": lambda to: by_tarfile(to, samples),
        "`export-webdataset`, its task": lambda to: by_task(to, rows),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for round_ in range(ROUNDS + 1):
        contents = []
        for name, side in sides.items():
            output = work / "out"
            output.mkdir(parents=True)
            start, start_cpu = time.perf_counter(), time.process_time()
            side(output)
            taken = time.perf_counter() - start, time.process_time() - start_cpu
            if round_:  # the first is not counted
                times[name].append(taken)
            contents.append([path.read_bytes() for path in sorted(output.iterdir())])
            shutil.rmtree(output)
        if contents[0] != contents[1]:
            raise SystemExit("the sides wrote other files")
    n_bytes = sum(map(len, contents[0]))
    table = []
    for name, taken in times.items():
        wall, cpu = (statistics.median(values) for values in zip(*taken, strict=True))
        table.append(
            {
                "side": name,
                "s": wall,
                "cpu s": cpu,
                "MB/s": n_bytes / wall / 1e6,
                "MB a CPU second": n_bytes / cpu / 1e6,
            }
        )
    report("training_shards", table, folder, rounds=ROUNDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("bench"))
