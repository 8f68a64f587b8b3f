"""MetaCLIP's matcher compared with peers that give the same lists of ids, without Spark.

    python -m benchmarks.kernel [FOLDER]

CPU microseconds per caption (ours from Arrow to Arrow), and how many times as long peers take.
"""

import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks import inputs, matchers
from benchmarks.measuring import ROUNDS, interleaved_cpu_s, median_ratio, report
from udfs.text.token_match import match_captions
from udfs.text.token_trie import build_token_trie

ROWS = 50_000
# Peer -> its constructor and number of captions; slow peers get fewer, to take no minutes.
PEERS: dict[str, tuple[Any, int]] = {
    "pyahocorasick": (matchers.pyahocorasick, ROWS),
    "ahocorasick_rs": (matchers.ahocorasick_rs, ROWS),
    "daachorse": (matchers.daachorse, ROWS),
    "polars": (matchers.polars, 20_000),
    "DuckDB": (matchers.duckdb, 5_000),
    "plain loop": (matchers.brute, 50),
}


def main(folder: Path) -> None:
    corpus_folder = inputs.corpus(folder, 200_000)
    texts = {"corpus": inputs.captions(corpus_folder, ROWS), "LAION": inputs.real_captions(ROWS)}
    rows = [
        compared(name, captions, inputs.bank(corpus_folder, size), only_first=name != "corpus")
        for name, captions in texts.items()
        for size in (1_000, 20_000, 500_000)
    ]
    report("kernel", rows, folder, rounds=ROUNDS)


def compared(
    name: str, captions: pa.Array, entries: list[str], *, only_first: bool
) -> dict[str, Any]:
    """Check and time peers on captions (only pyahocorasick if `only_first`); a row of the table."""
    trie = build_token_trie(pa.array(entries))
    matches_per_caption = len(match_captions(captions, trie).values) / len(captions)
    ours_s, times_as_long = [], {}
    for peer, (make, n) in list(PEERS.items())[: 1 if only_first else None]:
        peer_match, peer_captions = make(entries), captions.slice(0, n)
        if match_captions(peer_captions, trie).to_pylist() != peer_match(peer_captions):
            sys.exit(f"{peer} and captionlake differ")
        sides = {
            "ours": partial(match_captions, captions, trie),
            "theirs": partial(peer_match, peer_captions),
        }
        seconds_by_side = interleaved_cpu_s(sides, clock=time.process_time)
        our_s = [seconds / len(captions) for seconds in seconds_by_side["ours"]]
        peer_s = [seconds / n for seconds in seconds_by_side["theirs"]]
        ours_s += our_s
        times_as_long[peer] = median_ratio(peer_s, our_s)
    return {
        "captions": name,
        "entries": len(entries),
        "matches a caption": matches_per_caption,
        "captionlake us": statistics.median(ours_s) * 1e6,
        **times_as_long,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
