"""Arranging images of shards by class, beside a loop of tarfile that writes the same files.

    python -m benchmarks.images_arrange [FOLDER]

24,000 files of 12 KB in 8 shards as img2dataset writes them, in 200 classes. Both sides alternate
in one run and leave the same files, which are counted; wall and CPU seconds are medians of 3
rounds. The loop is one thread; the job has two tasks at a time, and writes its tables too.
"""

import io
import json
import shutil
import statistics
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measuring import report, tree_cpu_s
from benchmarks.spark_inputs import run_job, small_session

SHARDS, SAMPLES, BYTES, N_CLASSES, ROUNDS = 8, 3_000, 12_000, 200, 3


def make_shards(folder: Path) -> None:
    """Shards with an image, its json and its txt, side by side, for each sample."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for shard in range(SHARDS):
        with tarfile.open(folder / f"{shard:05}.tar", "w") as archive:
            for sample in range(SAMPLES):
                number = shard * SAMPLES + sample
                fields = {
                    **{"uid": f"{number:032x}", "wnid": f"n{number % N_CLASSES:08}"},
                    **{"caption": "a cat", "url": f"https://a.b/{number}.jpg", "width": 256},
                }
                for extension, content in (
                    ("jpg", b"\xff\xd8\xff" + rng.bytes(BYTES)),
                    ("json", json.dumps(fields, indent=4).encode()),
                    ("txt", b"a cat"),
                ):
                    header = tarfile.TarInfo(f"{sample:06}.{extension}")
                    header.size = len(content)
                    archive.addfile(header, io.BytesIO(content))


def tarfile_alone(shards: Path, output: Path) -> None:
    """Each image as CLASS/UID.jpg."""
    for shard in sorted(shards.glob("*.tar")):
        image = b""
        with tarfile.open(shard) as archive:
            for member in archive:
                if member.name.endswith(".jpg"):
                    image = archive.extractfile(member).read()  # type: ignore[union-attr]
                elif member.name.endswith(".json"):
                    fields = json.load(archive.extractfile(member))  # type: ignore[arg-type]
                    folder = output / fields["wnid"]
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / f"{fields['uid']}.jpg").write_bytes(image)


def main(folder: Path) -> None:
    small_session(**{"spark.master": "local[2]"})
    work = folder / "images_arrange"
    shutil.rmtree(work, ignore_errors=True)
    make_shards(work / "shards")

    def job(output: Path) -> None:
        run_job(
            *("arrange_images",),
            input=str(work / "shards"),
            layout="laionet",
            output=str(output),
            metadata=str(work / "arranged"),
            workspace=str(work),
        )

    def loop(output: Path) -> None:
        tarfile_alone(work / "shards", output)

    sides: dict[str, Callable[[Path], None]] = {"tarfile alone": loop, "arrange-images": job}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            output = work / "out"
            shutil.rmtree(output, ignore_errors=True)
            start, start_cpu = time.monotonic(), tree_cpu_s()
            side(output)
            times[name].append((time.monotonic() - start, tree_cpu_s() - start_cpu))
            n_files = sum(1 for _ in output.glob("*/*.jpg"))
            if n_files != SHARDS * SAMPLES:
                raise SystemExit(f"{name} wrote {n_files} files of {SHARDS * SAMPLES}")
    megabytes = SHARDS * SAMPLES * BYTES / 1e6
    rows = []
    for name, rounds in times.items():
        wall, cpu = (statistics.median(values) for values in zip(*rounds, strict=True))
        rows.append({"side": name, "wall s": wall, "cpu s": cpu, "MB/s": megabytes / wall})
    report("images_arrange", rows, folder)
    print(f"speed of the job / tarfile alone: {rows[0]['wall s'] / rows[1]['wall s']:.2f}")
    print("rounds:", {n: [round(w, 1) for w, _ in r] for n, r in times.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("bench"))
