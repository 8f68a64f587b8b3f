"""Time before the first caption: building the trie, compiling, starting a worker.

    python -m benchmarks.startup [FOLDER]

Wall seconds, medians of 5; run_workers are processes of their own.
"""

import os
import pickle
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa

from benchmarks import inputs
from benchmarks.measuring import ROUNDS, report
from udfs.text.token_trie import build_token_trie

# What a worker does: import, load the trie and the machine code, match one caption.
WORKER = """
import pickle, sys, time
start = time.perf_counter()
import pyarrow as pa
from udfs.text.concept_matches import add_entry_ids
from udfs.text.matchers import MetaclipMatcher
trie = pickle.load(open(sys.argv[1], "rb"))
batch = pa.RecordBatch.from_arrays([pa.array(["u"]), pa.array(["a cat"])], ["uid", "caption"])
next(add_entry_ids(MetaclipMatcher(trie), [])([batch]))
print(time.perf_counter() - start)
"""


def main(folder: Path) -> None:
    corpus_folder = inputs.corpus(folder, 200_000)
    entries = pa.array(inputs.bank(corpus_folder, 500_000))
    build_token_trie(entries)
    build_s = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        trie = build_token_trie(entries)
        build_s.append(time.perf_counter() - start)
    trie_file = folder / "trie.pickle"
    trie_file.write_bytes(pickle.dumps(trie))
    cache = folder / "numba"
    cold_s, warm_s, last_of_four_s = [], [], []
    for _ in range(ROUNDS):
        shutil.rmtree(cache, ignore_errors=True)
        cold_s += run_workers(1, trie_file, cache)
        warm_s += run_workers(1, trie_file, cache)
        shutil.rmtree(cache)
        last_of_four_s.append(max(run_workers(4, trie_file, cache)))
    seconds = {
        "build 500,000 entries": build_s,
        "worker, code compiled before": warm_s,
        "worker that compiles": cold_s,
        "the last of 4 workers, one compiles": last_of_four_s,
    }
    rows = [{"what": what, "s": statistics.median(times)} for what, times in seconds.items()]
    report("startup", rows, folder, rounds=ROUNDS)


def run_workers(n: int, trie_file: Path, cache: Path) -> list[float]:
    """Start n workers at once; the seconds that each takes."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", WORKER, str(trie_file)]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(n)
    ]
    return [float(process.communicate()[0]) for process in processes]


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
