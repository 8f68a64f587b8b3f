"""Queries as programs over numbered phrases, for the kernel that evaluates them."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from spark_jobs.retrieval.query import And, Or, Phrase, Query, Without
from udfs.text.boolean_match import AND, OR, WITHOUT, Programs


def numbered_phrases(queries: Sequence[Query]) -> dict[Phrase, int]:
    """Every phrase of the queries, once, with its number."""
    return {phrase: i for i, phrase in enumerate(dict.fromkeys(p for q in queries for p in _of(q)))}


def programs(queries: Sequence[Query], number: dict[Phrase, int]) -> Programs:
    """The queries in postfix order, and for each phrase the queries that it can be the reason for.

    A query is looked at only for captions that hold one of its anchors: phrases of which it needs
    one at least, chosen so that few queries share them.
    """
    used = Counter(phrase for query in queries for phrase in set(_of(query)))
    codes: list[int] = []
    ends = [0]
    anchored: list[list[int]] = [[] for _ in number]
    for position, query in enumerate(queries):
        codes += _postfix(query, number)
        ends.append(len(codes))
        for phrase in _anchors(query, used):
            anchored[number[phrase]].append(position)
    starts = np.cumsum([0, *map(len, anchored)])
    flat = [position for positions in anchored for position in positions]
    return Programs(
        np.array(codes, np.int32),
        np.array(ends, np.int64),
        starts.astype(np.int64),
        np.array(flat, np.int32),
    )


def _of(query: Query) -> list[Phrase]:
    """The phrases of a query, those unwanted too."""
    if isinstance(query, Phrase):
        return [query]
    parts = query.parts if isinstance(query, And | Or) else (query.wanted, query.unwanted)
    return [phrase for part in parts for phrase in _of(part)]


def _postfix(query: Query, number: dict[Phrase, int]) -> list[int]:
    if isinstance(query, Phrase):
        return [number[query]]
    if isinstance(query, Without):
        return [*_postfix(query.wanted, number), *_postfix(query.unwanted, number), WITHOUT]
    operator = AND if isinstance(query, And) else OR
    first, *rest = query.parts
    codes = _postfix(first, number)
    for part in rest:
        codes += [*_postfix(part, number), operator]
    return codes


def _anchors(query: Query, used: Counter[Phrase]) -> set[Phrase]:
    if isinstance(query, Phrase):
        return {query}
    if isinstance(query, Without):
        return _anchors(query.wanted, used)
    of_parts = [_anchors(part, used) for part in query.parts]
    if isinstance(query, Or):
        return set().union(*of_parts)
    return min(of_parts, key=lambda phrases: sum(used[phrase] for phrase in phrases))
