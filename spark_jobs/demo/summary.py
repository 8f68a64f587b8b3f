"""Summarise head and tail of a concept bank before and after balancing, for a terminal."""

from dataclasses import dataclass

import pandas as pd

from spark_jobs.core.schemas import ENTRY, ENTRY_COUNT, KEPT_COUNT

N_SHOWN = 5  # entries of each end
_MAX_ENTRY_WIDTH = 34  # characters


@dataclass(frozen=True)
class HeadTail:
    """Counts of entries and matches; an entry with more than t captions is head, else tail.

    `largest`, `rarest`: (entry, captions before, captions after).
    """

    t: int
    entries_matched: int
    head_entries: int
    head_before: int
    head_after: int
    tail_before: int
    tail_after: int
    largest: tuple[tuple[str, int, int], ...]
    rarest: tuple[tuple[str, int, int], ...]


def head_and_tail(entries: pd.DataFrame, *, t: int) -> HeadTail:
    """Summarise a frame with a row per entry: entry, entry_count, kept_count."""
    matched = entries[entries[ENTRY_COUNT] > 0].sort_values(
        [ENTRY_COUNT, ENTRY], ascending=[False, True]
    )
    is_head = matched[ENTRY_COUNT] > t
    return HeadTail(
        t=t,
        entries_matched=len(matched),
        head_entries=int(is_head.sum()),
        head_before=int(matched.loc[is_head, ENTRY_COUNT].sum()),
        head_after=int(matched.loc[is_head, KEPT_COUNT].sum()),
        tail_before=int(matched.loc[~is_head, ENTRY_COUNT].sum()),
        tail_after=int(matched.loc[~is_head, KEPT_COUNT].sum()),
        largest=_counts_of(matched.head(N_SHOWN)),
        rarest=_counts_of(matched.tail(N_SHOWN)),
    )


def summary_lines(summary: HeadTail) -> list[str]:
    """The summary as an aligned table, at most 80 columns wide."""
    head, tail = summary.head_entries, summary.entries_matched - summary.head_entries
    before = summary.head_before + summary.tail_before
    after = summary.head_after + summary.tail_after
    lines = [
        "",
        f"{'':<36}{'entries':>10}{'matches':>12}{'kept':>12}",
        _row(
            f"head (more than {summary.t:,} captions)",
            head,
            summary.head_before,
            summary.head_after,
        ),
        _row(f"tail (at most {summary.t:,})", tail, summary.tail_before, summary.tail_after),
        f"{'share of matches in the tail':<36}{'':>10}"
        f"{_share(summary.tail_before, before):>12}{_share(summary.tail_after, after):>12}",
        "",
        f"{'entry':<36}{'':>10}{'captions':>12}{'kept':>12}",
    ]
    shown = [*summary.largest, ("...", None, None), *summary.rarest]
    return [*lines, *(_row(_short(entry), None, count, kept) for entry, count, kept in shown)]


def _counts_of(entries: pd.DataFrame) -> tuple[tuple[str, int, int], ...]:
    columns = entries[[ENTRY, ENTRY_COUNT, KEPT_COUNT]]
    return tuple((e, int(n), int(k)) for e, n, k in columns.itertuples(index=False))


def _row(name: str, entries: int | None, before: int | None, after: int | None) -> str:
    cells = ["" if cell is None else f"{cell:,}" for cell in (entries, before, after)]
    return f"{name:<36}{cells[0]:>10}{cells[1]:>12}{cells[2]:>12}".rstrip()


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _short(entry: str) -> str:
    return entry if len(entry) <= _MAX_ENTRY_WIDTH else entry[: _MAX_ENTRY_WIDTH - 3] + "..."
