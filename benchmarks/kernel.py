"""The matcher beside other ways to the same lists, on Python's side of the worker.

    python -m benchmarks.kernel [FOLDER]

CPU microseconds a caption, ours Arrow in and Arrow out; the median of the ratios of 5 rounds.
"""

import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks import inputs, matchers
from benchmarks.measuring import interleaved, median_ratio, report
from udfs.text.token_match import match_captions
from udfs.text.token_trie import build_token_trie

ROWS = 50_000
# Peer -> captions it is given: those that would take minutes get fewer, each over several rounds.
PEERS: dict[str, tuple[Any, int]] = {
    "pyahocorasick": (matchers.pyahocorasick, ROWS),
    "ahocorasick_rs": (matchers.ahocorasick_rs, ROWS),
    "daachorse": (matchers.daachorse, ROWS),
    "polars": (matchers.polars, 20_000),
    "duckdb": (matchers.duckdb, 5_000),
    "brute loop": (matchers.brute, 50),
}


def main(folder: Path) -> None:
    made = inputs.corpus(folder, 200_000)
    texts = {"corpus": inputs.captions(made, ROWS), "LAION": inputs.real_captions(ROWS)}
    rows = [
        row
        for size in (1_000, 20_000, 500_000)
        for name, captions in texts.items()
        for row in compared(name, captions, inputs.bank(made, size), only_first=name != "corpus")
    ]
    report("kernel", rows, folder)


def compared(
    name: str, captions: pa.Array, entries: list[str], *, only_first: bool
) -> list[dict[str, Any]]:
    trie = build_token_trie(pa.array(entries))
    matches = len(match_captions(captions, trie).values) / len(captions)
    rows = []
    for peer, (make, n) in list(PEERS.items())[: 1 if only_first else None]:
        match, given = make(entries), captions.slice(0, n)
        if match_captions(given, trie).to_pylist() != match(given):
            sys.exit(f"{peer} and captionlake differ")
        sides = {"ours": partial(match_captions, captions, trie), "theirs": partial(match, given)}
        taken = interleaved(sides, clock=time.process_time)
        ours = [seconds / len(captions) for seconds in taken["ours"]]
        theirs = [seconds / n for seconds in taken["theirs"]]
        rows.append(
            {
                "captions": name,
                "entries": len(entries),
                "matches a caption": matches,
                "peer": peer,
                "us": statistics.median(ours) * 1e6,
                "peer us": statistics.median(theirs) * 1e6,
                "ratio": median_ratio(theirs, ours),
            }
        )
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
