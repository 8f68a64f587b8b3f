"""Peers that find the entries of a bank in captions; all give ascending ids per caption."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pyarrow as pa

Captions: TypeAlias = pa.Array
Matcher: TypeAlias = Callable[[pa.Array], list[list[int]]]


def spaced(caption: str) -> str:
    """A caption spaced and padded by MetaCLIP's rule."""
    for mark in ",.;:?!`":
        caption = caption.replace(mark, f" {mark} ")
    return f" {caption.replace(chr(9), ' ').replace(chr(10), ' ').replace(chr(13), ' ')} "


def pyahocorasick(entries: list[str]) -> Matcher:
    """MetaCLIP's published way: an Aho-Corasick automaton over Python strings, a set of ids."""
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for entry_id, entry in enumerate(entries):
        automaton.add_word(f" {entry} ", entry_id)
    automaton.make_automaton()
    return lambda captions: [
        sorted({entry_id for _, entry_id in automaton.iter(spaced(caption))})
        for caption in captions.to_pylist()
    ]


def ahocorasick_rs(entries: list[str]) -> Matcher:
    """The Rust crate aho-corasick."""
    import ahocorasick_rs as rs

    automaton = rs.AhoCorasick([f" {entry} " for entry in entries])
    return lambda captions: [
        sorted({m[0] for m in automaton.find_matches_as_indexes(spaced(c), overlapping=True)})
        for c in captions.to_pylist()
    ]


def daachorse(entries: list[str]) -> Matcher:
    """The Rust crate daachorse, by code points."""
    import daachorse as da

    automaton = da.CharwiseDoubleArrayAhoCorasick([f" {entry} " for entry in entries])
    return lambda captions: [
        sorted({m[2] for m in automaton.find_overlapping(spaced(caption))})
        for caption in captions.to_pylist()
    ]


def brute(entries: list[str]) -> Matcher:
    """MetaCLIP's published plain loop over entries."""
    padded = [f" {entry} " for entry in entries]
    return lambda captions: [
        [i for i, entry in enumerate(padded) if entry in text]
        for text in map(spaced, captions.to_pylist())
    ]


def polars(entries: list[str]) -> Matcher:
    """str.extract_many (overlapping), and ids by a join: polars has no function that gives ids."""
    import polars as pl

    def match(captions: pa.Array) -> list[list[int]]:
        frame = pl.DataFrame({"caption": captions}).with_row_index("row")
        lists = polars_matches(frame, "row", entries).sort("row")
        return _by_row(lists["row"].to_list(), lists["entry_ids"].to_list(), len(captions))

    return match


def polars_matches(frame: Any, key: str, entries: list[str]) -> Any:
    """`key` and ascending entry_ids of the captions that have matches."""
    import polars as pl

    bank = pl.Series([f" {entry} " for entry in entries])
    ids = pl.DataFrame({"entry": bank, "entry_ids": range(len(entries))})
    text = pl.col("caption")
    for mark in ",.;:?!`":
        text = text.str.replace_all(mark, f" {mark} ", literal=True)
    text = pl.lit(" ") + text.str.replace_all("[\t\n\r]", " ") + pl.lit(" ")
    entries_found = text.str.extract_many(bank.implode(), overlapping=True).alias("entry")
    matched = frame.select(key, entries_found).explode("entry").join(ids, on="entry")
    return matched.group_by(key).agg(pl.col("entry_ids").unique().sort())


def duckdb(entries: list[str]) -> Matcher:
    """Token n-grams by list functions, hash-joined with the bank, on one thread."""
    import duckdb as db

    connection = db.connect(config={"threads": 1})

    def match(captions: pa.Array) -> list[list[int]]:
        rows = pa.table({"row": pa.array(range(len(captions))), "caption": captions})
        connection.register("rows", rows)
        matched = duckdb_matches(connection, "rows", "row", entries).fetchall()
        return _by_row([row for row, _ in matched], [ids for _, ids in matched], len(captions))

    return match


def duckdb_matches(connection: Any, captions: str, key: str, entries: list[str]) -> Any:
    """`key` and ascending entry_ids of the captions that have matches, in a relation."""
    bank = pa.table({"entry": entries, "id": pa.array(range(len(entries)), pa.int32())})
    connection.register("bank_view", bank)
    connection.execute("CREATE OR REPLACE TABLE bank AS SELECT * FROM bank_view")
    max_tokens = max(entry.count(" ") + 1 for entry in entries)
    spacing = r"regexp_replace(caption, '([,.;:?!`])', ' \1 ', 'g')"
    return connection.sql(f"""
        WITH cut AS (
          SELECT {key}, string_split(translate({spacing}, chr(9)||chr(10)||chr(13), '   '), ' ') w
          FROM {captions}),
        runs AS (
          SELECT {key}, unnest(list_transform(range(1, len(w) - n + 2),
                               lambda i: array_to_string(w[i : i + n - 1], ' '))) entry
          FROM cut, range(1, {max_tokens + 1}) t(n) WHERE len(w) >= n)
        SELECT {key}, list_sort(list_distinct(list(id))) entry_ids
        FROM runs JOIN bank USING (entry) GROUP BY {key}""")


def _by_row(rows: list[int], lists: list[list[int]], n_rows: int) -> list[list[int]]:
    """The list of each row from 0 to n_rows - 1, empty for rows without one."""
    lists_by_row: list[list[int]] = [[] for _ in range(n_rows)]
    for row, ids in zip(rows, lists, strict=True):
        lists_by_row[row] = list(ids)
    return lists_by_row
