"""Arranging images of shards by class, beside a loop of tarfile that writes the same files.

    python -m benchmarks.images_arrange [FOLDER]

Files of 12 KB in shards as img2dataset writes them, in 200 classes: 3,000 in one shard, and 24,000
in eight. Both sides alternate in one run and leave the same files, which are counted; seconds are
medians of 3 rounds. The loop is one thread; the job has two tasks at a time, and writes its tables
too. What both take for seven shards more is the speed beyond start-up.
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

SAMPLES, BYTES, N_CLASSES, ROUNDS = 3_000, 12_000, 200, 3
SIZES = (1, 8)  # shards


def make_shards(folder: Path) -> None:
    """Shards with an image, its json and its txt, side by side, for each sample."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for shard in range(max(SIZES)):
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
    inputs = {n: work / f"shards_{n}" for n in SIZES}
    for n, shards in inputs.items():
        shards.mkdir()
        for shard in sorted((work / "shards").glob("*.tar"))[:n]:
            (shards / shard.name).hardlink_to(shard)

    def job(shards: Path, output: Path) -> None:
        run_job(
            "arrange_images",
            input=str(shards),
            layout="laionet",
            output=str(output),
            metadata=str(work / "arranged"),
            workspace=str(work),
        )

    sides = {"tarfile alone": tarfile_alone, "arrange-images": job}
    times: dict[tuple[str, int], list[tuple[float, float]]] = {}
    measured(job, inputs[1], work / "out", 1)  # not counted: the session is cold
    for _ in range(ROUNDS):
        for n, shards in inputs.items():
            for name, side in sides.items():
                taken = measured(side, shards, work / "out", n)
                times.setdefault((name, n), []).append(taken)
    rows = []
    for name in sides:
        (wall_1, cpu_1), (wall_8, cpu_8) = (
            [statistics.median(values) for values in zip(*times[name, n], strict=True)]
            for n in SIZES
        )
        per_image = 1e6 / (SAMPLES * (SIZES[1] - SIZES[0]))
        rows.append(
            {
                **{"side": name, "1 shard s": wall_1, "8 shards s": wall_8},
                **{"cpu s": cpu_8, "us an image": (wall_8 - wall_1) * per_image},
                "cpu us an image": (cpu_8 - cpu_1) * per_image,
            }
        )
    report("images_arrange", rows, folder, rounds=ROUNDS)
    for column in ("8 shards s", "us an image"):
        print(
            f"speed of the job / tarfile alone, {column}: {rows[0][column] / rows[1][column]:.2f}"
        )


def measured(
    side: Callable[[Path, Path], None], shards: Path, output: Path, n_shards: int
) -> tuple[float, float]:
    """Wall and CPU seconds of one side, which must write all images."""
    shutil.rmtree(output, ignore_errors=True)
    start, start_cpu = time.monotonic(), tree_cpu_s()
    side(shards, output)
    taken = (time.monotonic() - start, tree_cpu_s() - start_cpu)
    n_files = sum(1 for _ in output.glob("*/*.jpg"))
    if n_files != n_shards * SAMPLES:
        raise SystemExit(f"wrote {n_files} files of {n_shards * SAMPLES}")
    return taken


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("bench"))
