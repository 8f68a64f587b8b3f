"""The matcher's CPU time against a control in the same run."""

import statistics
import time
from collections.abc import Callable

import ahocorasick
import numpy as np
import pyarrow as pa

from udfs.text.token_match import match_captions
from udfs.text.token_trie import build_token_trie

ROWS, CONTROL_ROWS, ENTRIES = 100_000, 10_000, 20_000
# CPU time of the matcher at 100,000 rows over that of pyahocorasick at 10,000, as it was measured.
USUAL_RATIO = 1.4


def made_up(rng: np.random.Generator, n: int, most_words: int, skew: float) -> list[str]:
    """Texts of words of which few are frequent, as in captions."""
    words = np.array([f"{'abcdefgh'[: k % 7]}{k}" for k in range(60_000)])
    counts = rng.integers(1, most_words + 1, n)
    drawn = words[np.minimum(rng.zipf(skew, counts.sum()), words.size - 1)]
    return [" ".join(part) for part in np.split(drawn, np.cumsum(counts)[:-1])]


def cpu_s(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def test_the_matcher_is_no_slower_than_it_was() -> None:
    rng = np.random.default_rng(0)
    entries = list(dict.fromkeys(made_up(rng, 3 * ENTRIES, 3, 1.2)))[:ENTRIES]
    captions = made_up(rng, ROWS, 24, 1.3)
    automaton = ahocorasick.Automaton()
    for entry_id, entry in enumerate(entries):
        automaton.add_word(f" {entry} ", entry_id)
    automaton.make_automaton()
    padded = [f" {caption} " for caption in captions[:CONTROL_ROWS]]
    trie, batch = build_token_trie(pa.array(entries)), pa.array(captions)

    def control() -> list[list[int]]:
        return [sorted({i for _, i in automaton.iter(text)}) for text in padded]

    assert match_captions(batch, trie).to_pylist()[:CONTROL_ROWS] == control()
    ratios = [cpu_s(lambda: match_captions(batch, trie)) / cpu_s(control) for _ in range(9)]
    assert statistics.median(ratios) < 1.4 * USUAL_RATIO, ratios
