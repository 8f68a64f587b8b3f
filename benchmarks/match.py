"""The matcher's CPU time beside MetaCLIP's route over pyahocorasick, in one run.

    python benchmarks/match.py CAPTIONS.parquet BANK.json

Ours: Arrow in, Arrow out. Theirs: Python strings, spacing, `iter`, sorted set of ids. Prints
microseconds of CPU a caption (median of 5) and the median of the 5 ratios; checks that both agree.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable

import ahocorasick
import pyarrow as pa
import pyarrow.parquet as pq

from udfs.text.metaclip_match import match_captions
from udfs.text.token_trie import build_token_trie

ROUNDS = 5
ROWS = 50_000


def main(captions_file: str, bank_file: str) -> None:
    """Measure both sides in turn and print the table."""
    captions = pq.read_table(captions_file, columns=["caption"])["caption"].combine_chunks()
    captions = captions.slice(0, ROWS)
    with open(bank_file, encoding="utf-8") as file:
        entries = list(dict.fromkeys(json.load(file)))
    trie, automaton = build_token_trie(pa.array(entries)), build_automaton(entries)
    texts = captions.to_pylist()
    if match_captions(captions, trie).to_pylist() != match_by_automaton(texts, automaton):
        sys.exit("the two matchers differ")
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(cpu_us(lambda: match_captions(captions, trie)))
        theirs.append(cpu_us(lambda: match_by_automaton(texts, automaton)))
    ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
    print(f"{len(entries):,} entries, {len(texts):,} captions")
    print(f"captionlake     {statistics.median(ours) / len(texts):8.2f} us a caption")
    print(f"pyahocorasick   {statistics.median(theirs) / len(texts):8.2f} us a caption")
    print(f"ratio           {ratio:8.1f}")


def build_automaton(entries: list[str]) -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for entry_id, entry in enumerate(entries):
        automaton.add_word(f" {entry} ", entry_id)
    automaton.make_automaton()
    return automaton


def match_by_automaton(captions: list[str], automaton: ahocorasick.Automaton) -> list[list[int]]:
    found = []
    for caption in captions:
        for mark in ",.;:?!`":
            caption = caption.replace(mark, f" {mark} ")
        caption = caption.replace("\t", " ").replace("\n", " ").replace("\r", " ")
        found.append(sorted({entry_id for _, entry_id in automaton.iter(f" {caption} ")}))
    return found


def cpu_us(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
