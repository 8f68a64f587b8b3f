"""Speed of the matcher on the same text cut into captions of 20 bytes to 1 MB.

python -m benchmarks.caption_length [FOLDER]
"""

import statistics
import sys
import time
from functools import partial
from pathlib import Path

import pyarrow as pa

from benchmarks import inputs
from benchmarks.measuring import ROUNDS, interleaved_cpu_s, report
from udfs.text.token_match import match_captions
from udfs.text.token_trie import build_token_trie

BYTES = 16 << 20
LENGTHS = (20, 80, 1_000, 30_000, 1 << 20)


def main(folder: Path) -> None:
    corpus_folder = inputs.corpus(folder, 200_000)
    text = " ".join(inputs.captions(corpus_folder, 200_000).to_pylist()).encode()
    text = (text * (BYTES // len(text) + 1))[:BYTES]
    rows = []
    for size in (1_000, 20_000, 500_000):
        trie = build_token_trie(pa.array(inputs.bank(corpus_folder, size)))
        sides = {}
        for length in LENGTHS:
            parts = [text[i : i + length].decode(errors="ignore") for i in range(0, BYTES, length)]
            captions = pa.array(parts)
            sides[str(length)] = partial(match_captions, captions, trie)
        seconds_by_side = interleaved_cpu_s(sides, clock=time.process_time)
        speeds = {
            name: BYTES / 1e6 / statistics.median(s) for name, s in seconds_by_side.items()
        }  # MB/s
        fastest = max(speeds.values())
        rows += [
            {"entries": size, "bytes": int(name), "MB/s": speed, "fastest / this": fastest / speed}
            for name, speed in speeds.items()
        ]
    report("caption_length", rows, folder, rounds=ROUNDS)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
