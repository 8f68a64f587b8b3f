"""Run benchmarks one after the other, and write docs/speed.md from their results.

    python -m benchmarks [NAME ...]

NAME: a module of this folder, with arguments behind its name in quotes; without names, all below.
Each runs in a process of its own, with its inputs below bench/. Its results are taken over to
benchmarks/results/ once it has ended well; after one that fails the others still run.
"""

import shlex
import subprocess
import sys
from pathlib import Path

from benchmarks import page

ALL = [
    *("startup", "small_jobs", "kernel", "text_rules", "caption_length", "end_to_end", "growth"),
    "cost",
    *("embedding", "neighbours", "subsets", "bank_from_text", "images_download"),
    *("images_arrange", "images_duplicates", "captions_generated", "captions_of_images"),
    *("filters_and_mixes", "captions_measured", "sentences_trained", "training_shards"),
    *("training_readers", "train_clip", "whole_jobs"),
]
FOLDER = Path("bench")


def main(names: list[str]) -> int:
    failed = [name for name in names if not ran(name)]
    if failed:
        print("Failed:", ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


def ran(name: str) -> bool:
    """Run a benchmark and take its results over, unless it fails."""
    module, *arguments = shlex.split(name)
    written = FOLDER / "results"
    for file in written.glob("*.json"):
        file.unlink()  # of a run that failed
    command = [sys.executable, "-m", f"benchmarks.{module}", str(FOLDER), *arguments]
    if subprocess.run(command, check=False).returncode:
        return False
    for file in written.glob("*.json"):
        file.replace(page.RESULTS / file.name)
    page.main()
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ALL))
