"""Look at a few captions that match no entry: how many would match if case were ignored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import named
from spark_jobs.core.schemas import CAPTION
from udfs.text.matchers import ConceptMatcher

_MANY = 0.1  # share of captions without a match above which it is worth a look
_N_ROWS = 1_000
_MAX_BYTES = 4_096  # longer captions are not looked at, so that the driver holds few bytes
_N_SHOWN, _MAX_WIDTH = 3, 60


@dataclass(frozen=True)
class CaseSample:
    """The first captions of a table, matched with case and without.

    `with_case_ignored`: (caption, an entry that it then matches) of each caption that matches
    nothing as it stands. `n_rows`: captions in the sample. `n_unmatched`: those without a match.
    """

    n_rows: int
    n_unmatched: int
    with_case_ignored: Sequence[tuple[str, str]]


def unmatched_lines(
    captions: DataFrame,
    matcher: ConceptMatcher,
    entries: pa.Array,
    build: Callable[[pa.Array], ConceptMatcher],
    *,
    rows: int,
    unmatched: int,
    read_first: Callable[[Sequence[str], int], pa.Table | None] = lambda _columns, _n: None,
) -> list[str]:
    """Lines on captions that match nothing, after a look at the first 1,000; empty if they are few.

    `captions`: all of them, with the matcher's columns. `entries`: the bank's. `build`: makes the
    matcher of a bank. `rows`, `unmatched`: numbers of all captions. `read_first`: reads columns of
    so many captions without Spark, if it can.
    """
    if not has_many_unmatched(rows=rows, unmatched=unmatched):
        return []
    first = read_first(matcher.columns, _N_ROWS)
    columns = first_captions(captions, matcher.columns) if first is None else _short_captions(first)
    sample = match_ignoring_case(columns, matcher, entries, build)
    return case_lines(sample, rows=rows, unmatched=unmatched)


def has_many_unmatched(*, rows: int, unmatched: int) -> bool:
    """Whether so many captions match nothing that a user should know why."""
    return unmatched > _MANY * rows


def first_captions(captions: DataFrame, columns: Sequence[str]) -> list[pa.Array]:
    """The columns of the first 1,000 captions as Spark reads them, without long ones.

    Reads no more partitions than it needs: not a pass over the captions.
    """
    is_short = F.octet_length(CAPTION) <= _MAX_BYTES
    selected = [F.when(is_short, named(CAPTION)).alias(CAPTION)]
    selected += [named(name) for name in columns if name != CAPTION]
    rows = [row for row in captions.select(*selected).take(_N_ROWS) if row[CAPTION] is not None]
    return [pa.array([row[name] for row in rows], pa.string()) for name in columns]


def _short_captions(rows: pa.Table) -> list[pa.Array]:
    """The columns, the caption first, of the rows whose caption `first_captions` would give."""
    is_short = pc.less_equal(pc.binary_length(rows[CAPTION]), _MAX_BYTES)
    short_rows = rows.filter(is_short)  # without a null caption, whose length is null
    return [short_rows[name].combine_chunks() for name in rows.column_names]


def match_ignoring_case(
    columns: Sequence[pa.Array],
    matcher: ConceptMatcher,
    entries: pa.Array,
    build: Callable[[pa.Array], ConceptMatcher],
) -> CaseSample:
    """Match captions as they stand, and those without a match again in lower case.

    `columns`: the matcher's, the caption first. `entries`: the bank's. `build`: makes the matcher
    of a bank.
    """
    n_matches = pc.list_value_length(matcher.match(columns))
    is_unmatched = pc.equal(n_matches, 0)
    captions, *others = (column.filter(is_unmatched) for column in columns)
    entry_ids = build(pc.utf8_lower(entries)).match([pc.utf8_lower(captions), *others])
    matched = [
        (caption, entries[ids[0]].as_py())
        for caption, ids in zip(captions.to_pylist(), entry_ids.to_pylist(), strict=True)
        if ids
    ]
    return CaseSample(len(columns[0]), len(captions), matched)


def case_lines(sample: CaseSample, *, rows: int, unmatched: int) -> list[str]:
    """What to tell the user of captions that match nothing; `rows`, `unmatched`: of all captions.

    The examples are the first ones of the sample.
    """
    line = f"{unmatched:,} of {rows:,} captions match no entry"
    if not sample.n_unmatched:
        return [line]
    n_ignoring_case = len(sample.with_case_ignored)
    n_shown = f"{n_ignoring_case:,}" if n_ignoring_case else "none"
    lines = [
        f"{line}. Of the first {sample.n_rows:,}, {sample.n_unmatched:,} match none; ignoring "
        f"case, {n_shown} of these would"
    ]
    if n_ignoring_case:
        examples = ", ".join(
            f"{_short(caption)!r} by {_short(entry)!r}"
            for caption, entry in sample.with_case_ignored[:_N_SHOWN]
        )
        lines.append(
            f"matching keeps case, as the published rule does: {examples}; for such captions the "
            "bank needs the entries in that case too"
        )
    return lines


def _short(text: str) -> str:
    return text if len(text) <= _MAX_WIDTH else f"{text[: _MAX_WIDTH - 3]}..."
