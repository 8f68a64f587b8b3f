"""Compile queries to programs over phrase ids, for the kernel that evaluates them."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from spark_jobs.retrieval.query import And, Or, Phrase, Query, Without
from udfs.text.boolean_match import AND, OR, WITHOUT, Programs


def numbered_phrases(queries: Sequence[Query]) -> dict[Phrase, int]:
    """The distinct phrases of the queries, in order of first use, each with its id."""
    distinct = dict.fromkeys(phrase for query in queries for phrase in _phrases(query))
    return {phrase: i for i, phrase in enumerate(distinct)}


def programs(queries: Sequence[Query], phrase_ids: dict[Phrase, int]) -> Programs:
    """The queries in postfix notation, and for each phrase the queries that it anchors.

    A caption satisfies a query only if it has at least one of the query's anchor phrases, so the
    kernel evaluates only queries with an anchor in the caption. Anchors are chosen so that few
    queries share them.
    """
    query_counts = Counter(phrase for query in queries for phrase in set(_phrases(query)))
    codes: list[int] = []
    ends = [0]
    anchored_queries: list[list[int]] = [[] for _ in phrase_ids]
    for position, query in enumerate(queries):
        codes += _postfix(query, phrase_ids)
        ends.append(len(codes))
        for phrase in _anchors(query, query_counts):
            anchored_queries[phrase_ids[phrase]].append(position)
    starts = np.cumsum([0, *map(len, anchored_queries)])
    flat = [position for positions in anchored_queries for position in positions]
    return Programs(
        np.array(codes, np.int32),
        np.array(ends, np.int64),
        starts.astype(np.int64),
        np.array(flat, np.int32),
    )


def _phrases(query: Query) -> list[Phrase]:
    """The phrases of a query, unwanted ones included."""
    if isinstance(query, Phrase):
        return [query]
    parts = query.parts if isinstance(query, And | Or) else (query.wanted, query.unwanted)
    return [phrase for part in parts for phrase in _phrases(part)]


def _postfix(query: Query, phrase_ids: dict[Phrase, int]) -> list[int]:
    if isinstance(query, Phrase):
        return [phrase_ids[query]]
    if isinstance(query, Without):
        wanted, unwanted = (_postfix(q, phrase_ids) for q in (query.wanted, query.unwanted))
        return [*wanted, *unwanted, WITHOUT]
    operator = AND if isinstance(query, And) else OR
    first, *others = query.parts
    codes = _postfix(first, phrase_ids)
    for part in others:
        codes += [*_postfix(part, phrase_ids), operator]
    return codes


def _anchors(query: Query, query_counts: Counter[Phrase]) -> set[Phrase]:
    """Phrases of which each matching caption has at least one; of an And the rarest part's."""
    if isinstance(query, Phrase):
        return {query}
    if isinstance(query, Without):
        return _anchors(query.wanted, query_counts)
    part_anchors = [_anchors(part, query_counts) for part in query.parts]
    if isinstance(query, Or):
        return set().union(*part_anchors)
    return min(part_anchors, key=lambda phrases: sum(query_counts[phrase] for phrase in phrases))
