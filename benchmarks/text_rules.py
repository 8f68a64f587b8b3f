"""The text rules other than MetaCLIP's, compared with the published ways, without Spark.

    python -m benchmarks.text_rules [FOLDER]

CPU microseconds per caption; ratios are medians of 5 rounds. Each peer's results are first checked
to be the same.
"""

import re
import sqlite3
import statistics
import string
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ahocorasick
import numpy as np
import pyarrow as pa

from benchmarks import inputs
from benchmarks.measuring import ROUNDS, interleaved_cpu_s, median_ratio, report
from spark_jobs.formats.class_files import packaged_class_files, read_class_file
from spark_jobs.formats.synsets import named_synsets
from spark_jobs.labelling.lemma_table import lemma_table
from spark_jobs.retrieval.class_queries import class_queries
from spark_jobs.retrieval.programs import numbered_phrases, programs
from spark_jobs.retrieval.query import class_expression
from udfs.text.boolean_match import match_queries
from udfs.text.fts_match import fts_tokens, phrase_trie, unicode61
from udfs.text.lemma_match import laionet_matcher, yfcc_matcher
from udfs.text.matchers import metaclip2_matcher
from udfs.text.metaclip2_match import padded_entry
from udfs.text.token_match import BREAKS, MARKS, match_captions

ROWS, FEW_ROWS = 50_000, 300

Lists = list[list[int]]
Side = tuple[Callable[[], Any], int]  # what to run, and over how many captions


def main(folder: Path) -> None:
    captions = inputs.real_captions(ROWS)
    rows = [*laionet(captions), *yfcc(captions), *fts(captions), *metaclip2(folder, captions)]
    report("text_rules", rows, folder, rounds=ROUNDS)


def laionet(captions: pa.Array) -> list[dict[str, Any]]:
    """LAIONet's loop over its 1,825 lemmas, and an Aho-Corasick automaton of them."""
    lemmas = lemma_table(named_synsets("laionet"), unique_by=lambda lemma: lemma).lemmas
    matcher, texts = laionet_matcher(lemmas), captions.to_pylist()
    spaces = str.maketrans(dict.fromkeys(string.punctuation, " "))
    automaton = build_automaton([f" {lemma} " for lemma in lemmas])

    def loop() -> Lists:
        padded = (f" {text.translate(spaces)} " for text in texts[:FEW_ROWS])
        return [[k for k, lemma in enumerate(lemmas) if f" {lemma} " in text] for text in padded]

    def by_automaton() -> Lists:
        return [
            sorted({k for _, k in automaton.iter(f" {text.translate(spaces)} ")}) for text in texts
        ]

    ours = partial(matcher.match, captions)
    peers = {"loop over lemmas": (loop, FEW_ROWS), "pyahocorasick": (by_automaton, ROWS)}
    return compared("LAIONet's labels", ours, peers, ours().to_pylist())


def yfcc(captions: pa.Array) -> list[dict[str, Any]]:
    """One compiled pattern per class, as in YFCC15M-Cls."""
    synsets = named_synsets("imagenet1k")
    table = lemma_table(synsets)
    matcher, texts = yfcc_matcher(table.lemmas), captions.to_pylist()
    patterns = [re.compile(rf"\b({'|'.join(s.lemmas)})\b", re.IGNORECASE) for s in synsets]

    def by_patterns() -> Lists:
        return [
            [k for k, pattern in enumerate(patterns) if pattern.search(text)]
            for text in texts[:FEW_ROWS]
        ]

    class_lists = [
        sorted({table.owner[k] for k in ids}) for ids in matcher.match(captions).to_pylist()
    ]
    peers = {"a pattern a class": (by_patterns, FEW_ROWS)}
    return compared("YFCC15M-Cls' labels", partial(matcher.match, captions), peers, class_lists)


def fts(captions: pa.Array) -> list[dict[str, Any]]:
    """SQLite's FTS5 on the classes of all data sets, with and without building its index."""
    files = {name: read_class_file(name) for name in packaged_class_files()}
    queries = [q for name, file in files.items() for q in class_queries(file, name, fts_tokens)[0]]
    expressions = [
        class_expression(file.class_map.get(name, name))
        for file in files.values()
        for name in file.classes
    ]
    trees = [query.query for query in queries]
    number = numbered_phrases(trees)
    trie, codes = phrase_trie([phrase.tokens for phrase in number]), programs(trees, number)
    texts = list(enumerate(captions.to_pylist()))

    def ours() -> pa.ListArray:
        return match_queries(match_captions(captions, trie, unicode61()), codes)

    def build_index() -> sqlite3.Connection:
        database = sqlite3.connect(":memory:")
        database.execute("CREATE VIRTUAL TABLE samples USING fts5(text)")
        database.executemany("INSERT INTO samples(rowid, text) VALUES (?, ?)", texts)
        return database

    def search(database: sqlite3.Connection) -> Lists:
        lists: Lists = [[] for _ in texts]
        sql = "SELECT rowid FROM samples WHERE text MATCH ?"
        for position, expression in enumerate(expressions):
            for (row,) in database.execute(sql, [expression]):
                lists[row].append(position)
        return lists

    index = build_index()
    peers = {
        f"SQLite FTS5, {len(queries):,} queries, index built": (
            lambda: search(build_index()),
            ROWS,
        ),
        "SQLite FTS5, index there": (lambda: search(index), ROWS),
    }
    return compared("text queries of five data sets", ours, peers, ours().to_pylist())


def metaclip2(folder: Path, captions: pa.Array) -> list[dict[str, Any]]:
    """An automaton per language; Chinese and Thai are random characters by Zipf's law."""
    corpus_folder = inputs.corpus(folder, 200_000)
    sides = {
        "English": (inputs.bank(corpus_folder, 20_000), captions.to_pylist()),
        "Chinese": unspaced(0x4E00, 3_000),
        "Thai": unspaced(0x0E01, 46),
    }
    rows = []
    for name, (entries, texts) in sides.items():
        matcher = metaclip2_matcher(entries, [name] * len(entries), duplicates="last")
        automaton = build_automaton([padded_entry(entry) for entry in entries])
        batch = [pa.array(texts), pa.array([name] * len(texts))]

        def by_automaton(texts: list[str] = texts, automaton: Any = automaton) -> Lists:
            return [sorted({k for _, k in automaton.iter(spaced(text))}) for text in texts]

        ours = partial(matcher.match, batch)
        peers = {"pyahocorasick": (by_automaton, len(texts))}
        rows += compared(f"MetaCLIP 2, {name}", ours, peers, ours().to_pylist())
    return rows


def unspaced(first: int, n: int) -> tuple[list[str], list[str]]:
    """20,000 entries of 1-4 characters, captions of 25, from n characters that start at `first`."""
    generator = np.random.default_rng(0)
    ranks = np.minimum(generator.zipf(1.3, ROWS * 27), n) - 1
    text = "".join(chr(first + int(rank)) for rank in ranks)
    entries = dict.fromkeys(text[k : k + 1 + k % 4] for k in range(0, ROWS * 2))
    return [*entries][:20_000], [text[25 * k : 25 * k + 25] for k in range(2_000, ROWS)]


def spaced(text: str) -> str:
    """A caption spaced and padded by MetaCLIP 2's rule."""
    padded = f" {text.strip()} "
    for mark in MARKS:
        padded = padded.replace(mark, f" {mark} ")
    for blank in BREAKS:
        padded = padded.replace(blank, " ")
    return padded


def build_automaton(entries: list[str]) -> Any:
    automaton = ahocorasick.Automaton()
    for position, entry in enumerate(entries):
        if entry:
            automaton.add_word(entry, position)
    automaton.make_automaton()
    return automaton


def compared(
    rule: str, ours: Callable[[], Any], peers: dict[str, Side], expected: Lists
) -> list[dict[str, Any]]:
    """Check and time each peer, which runs over its first n captions; a row per peer."""
    rows = []
    for peer, (theirs, n) in peers.items():
        if theirs() != expected[:n]:
            sys.exit(f"{rule}: {peer} and captionlake differ")
        seconds_by_side = interleaved_cpu_s(
            {"ours": ours, "theirs": theirs}, clock=time.process_time
        )
        our_s = [seconds / len(expected) for seconds in seconds_by_side["ours"]]
        peer_s = [seconds / n for seconds in seconds_by_side["theirs"]]
        rows.append(
            {
                "rule": rule,
                "matches a caption": sum(map(len, expected)) / len(expected),
                "captionlake us": statistics.median(our_s) * 1e6,
                "beside": peer,
                "its us": statistics.median(peer_s) * 1e6,
                "times as long": median_ratio(peer_s, our_s),
            }
        )
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
