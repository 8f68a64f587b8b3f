"""What stands before the first caption: building the bank, compiling, a worker's start.

    python -m benchmarks.startup [FOLDER]

Wall seconds, the median of 5; each in processes of its own.
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

# A worker: imports, the bank's arrays, machine code, one caption.
WORKER = """
import pickle, sys, time
begun = time.perf_counter()
import pyarrow as pa
from udfs.text.concept_matches import add_entry_ids
from udfs.text.matchers import MetaclipMatcher
trie = pickle.load(open(sys.argv[1], "rb"))
batch = pa.RecordBatch.from_arrays([pa.array(["u"]), pa.array(["a cat"])], ["uid", "caption"])
next(add_entry_ids(MetaclipMatcher(trie), [])([batch]))
print(time.perf_counter() - begun)
"""


def main(folder: Path) -> None:
    made = inputs.corpus(folder, 200_000)
    entries = pa.array(inputs.bank(made, 500_000))
    build_token_trie(entries)
    building = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        trie = build_token_trie(entries)
        building.append(time.perf_counter() - begun)
    arrays = folder / "trie.pickle"
    arrays.write_bytes(pickle.dumps(trie))
    cache = folder / "numba"
    cold, warm, four = [], [], []
    for _ in range(ROUNDS):
        shutil.rmtree(cache, ignore_errors=True)
        cold += workers(1, arrays, cache)
        warm += workers(1, arrays, cache)
        shutil.rmtree(cache)
        four.append(max(workers(4, arrays, cache)))
    seconds = {
        "build 500,000 entries": building,
        "worker, code compiled before": warm,
        "worker that compiles": cold,
        "the last of 4 workers, one compiles": four,
    }
    rows = [{"what": what, "s": statistics.median(of)} for what, of in seconds.items()]
    report("startup", rows, folder)


def workers(n: int, arrays: Path, cache: Path) -> list[float]:
    """Seconds that each of n workers takes that start at once."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", WORKER, str(arrays)]
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(n)
    ]
    return [float(process.communicate()[0]) for process in started]


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
