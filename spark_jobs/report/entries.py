"""Entry counts before and after balancing (MetaCLIP, Xu et al. 2023, figures 2 and 3)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from spark_jobs.report.axes import legend_above, log_axis, percent_axis
from spark_jobs.report.blocks import Block, Figure, Note, Table, visible
from spark_jobs.report.charts import chart
from spark_jobs.report.palette import AFTER, BEFORE, MARK, PAPER

_POINTS = 300  # points of a curve, evenly spaced on the log axis
_NAMED = 5  # entries that are named in the picture
_HIGH = 0.66  # of the log axis of counts: above it a curve crosses the names
_MOST_LINES = 6  # lines of t by language


@dataclass(frozen=True)
class EntryRow:
    """An entry and its captions before and after balancing; `kept` is None without balancing."""

    entry: str
    count: int
    kept: int | None


@dataclass(frozen=True)
class EntryCounts:
    """The entries that match a caption, most frequent first.

    counts, kept: (n_entries,), captions of each entry before and after balancing; `kept` is None
    without balancing. ts: all t in use. largest, rarest: the first and last entries, with their
    text. n_bank: number of entries of the bank, with those that match nothing.
    """

    counts: NDArray[np.int64]
    kept: NDArray[np.int64] | None
    ts: Sequence[int]
    largest: Sequence[EntryRow]
    rarest: Sequence[EntryRow]
    n_bank: int


def entry_pictures(entries: EntryCounts) -> list[Block]:
    """Figures: captions per entry by rank, and the cumulative share of matches."""
    if not entries.counts.size:
        return [Note("No entry of the bank occurs in these captions: there is nothing to draw.")]
    n_matched = f"{entries.counts.size:,} of {entries.n_bank:,} entries occur in a caption."
    by_rank, cumulative = _counts_by_rank(entries), _cumulative_share(entries)
    return [
        Note(n_matched),
        Figure("Captions per entry", by_rank, _head_description(entries)),
        Figure("Cumulative share of matches", cumulative, _share_description(entries)),
    ]


def entry_tables(entries: EntryCounts) -> list[Block]:
    """Tables: head and tail, the most frequent and the rarest entries."""
    if not entries.counts.size:
        return []
    return [
        *([_head_and_tail(entries)] if len(entries.ts) == 1 else []),
        _entry_table("Most frequent entries", entries.largest),
        _entry_table("Rarest entries that match", entries.rarest),
    ]


def _counts_by_rank(entries: EntryCounts) -> Markup:
    ranks = _ranks(entries.counts.size)

    def draw(axes: Axes) -> None:
        before = "captions that match the entry"
        axes.plot(ranks, entries.counts[ranks - 1], color=BEFORE, label=before, linewidth=1.8)
        if entries.kept is not None:
            kept = entries.kept[ranks - 1]
            has_kept = kept > 0  # a log axis has no zero
            after = "of these, kept by balancing"
            axes.plot(ranks[has_kept], kept[has_kept], ".", color=AFTER, label=after, markersize=4)
        _mark_ts(axes, entries.ts)
        log_axis(axes, "x", "rank of the entry")
        log_axis(axes, "y", "captions per entry")
        _name_largest(axes, entries)
        legend_above(axes)

    return chart(draw, _alt_text(entries))


def _mark_ts(axes: Axes, ts: Sequence[int]) -> None:
    """A line at t, whose label says that it is no limit; at the t of several languages, lines."""
    marked_ts = ts[:: math.ceil(len(ts) / _MOST_LINES)] if ts else []
    for number, t in enumerate(marked_ts):
        line = axes.axhline(t, color=MARK, linewidth=1, linestyle="--")
        if number == 0:
            line.set_label(_label_of_ts(ts))


def _label_of_ts(ts: Sequence[int]) -> str:
    if len(ts) > 1:
        return f"t by language, from {min(ts):,} to {max(ts):,}"
    may_keep_more = "an entry may keep more: a caption\nstays if any of its entries wants it"
    return f"t = {ts[0]:,}; {may_keep_more}"


def _name_largest(axes: Axes, entries: EntryCounts) -> None:
    """List the most frequent entries where the curve is not: above it, below it if it is flat."""
    lines = [
        f"{position}. {_counted_name(row, 22)}"
        for position, row in enumerate(entries.largest[:_NAMED], start=1)
    ]
    n = entries.counts.size
    middle = entries.counts[round(math.sqrt(n)) - 1]  # the middle of a log axis
    is_flat = math.log(middle) >= _HIGH * math.log(entries.counts[0])
    axes.annotate(
        "\n".join(["most frequent entries", *lines]),
        (0.02, 0.03) if is_flat else (0.99, 0.98),
        xycoords="axes fraction",
        ha="left" if is_flat else "right",
        va="bottom" if is_flat else "top",
        fontsize=8.5,
        bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
    )


def _counted_name(row: EntryRow, longest: int) -> str:
    kept = "" if row.kept is None else f" → {row.kept:,}"
    return f"{visible(row.entry, longest)} {row.count:,}{kept}"


def _alt_text(entries: EntryCounts) -> str:
    names = ", ".join(_counted_name(row, 22) for row in entries.largest[:_NAMED])
    return f"Captions per entry by rank, on log scales. The most frequent are {names}."


def _cumulative_share(entries: EntryCounts) -> Markup:
    ranks = _ranks(entries.counts.size)

    def draw(axes: Axes) -> None:
        shares = _cumulative_shares(entries.counts)[ranks - 1]
        axes.plot(ranks, shares, color=BEFORE, label="before balancing", linewidth=1.8)
        if entries.kept is not None and entries.kept.any():
            after = _cumulative_shares(entries.kept)[ranks - 1]
            axes.plot(ranks, after, color=AFTER, label="after balancing", linewidth=1.8)
        axes.set_ylim(0, 1.03)
        percent_axis(axes, "share of all matches (%)")
        log_axis(axes, "x", "most frequent entries, up to this rank")
        legend_above(axes, columns=2)

    return chart(draw, f"Cumulative share of matches by rank. {_share_description(entries)}")


def _head_description(entries: EntryCounts) -> str:
    if entries.kept is None or len(entries.ts) != 1:
        return ""
    t = entries.ts[0]
    n_head = int((entries.counts > t).sum())
    n_tail = entries.counts.size - n_head
    if not n_head:
        return f"No entry occurs in more than t = {t:,} captions: all are tail and keep theirs."
    description = (
        f"{n_head:,} {'entries occur' if n_head > 1 else 'entry occurs'} in more than t = {t:,} "
        f"captions: the head. The other {n_tail:,} keep all of theirs: the tail."
    )
    n_above = int((entries.kept > t).sum())
    if not n_above:
        return description
    most = max(entries.largest, key=lambda row: row.kept or 0)
    example = ""
    if most.kept is not None and most.kept > t:
        example = f"; “{visible(most.entry, 40)}” keeps {most.kept:,}"
    return (
        f"{description} An entry may keep more than t, because a caption stays if any of its "
        f"entries wants it: {n_above:,} of the head keep more than {t:,}{example}."
    )


def _share_description(entries: EntryCounts) -> str:
    n_top = max(1, entries.counts.size // 100)
    description = (
        f"The top 1 % of entries hold {_share_of_top(entries.counts, n_top)} of the matches"
    )
    if entries.kept is not None and entries.kept.any():
        description += f", after balancing {_share_of_top(entries.kept, n_top)}"
    return description + "."


def _share_of_top(counts: NDArray[np.int64], n_top: int) -> str:
    return f"{_cumulative_shares(counts)[n_top - 1]:.1%}"


def _cumulative_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(np.cumsum(counts) / counts.sum())


def _ranks(n: int) -> NDArray[np.int64]:
    """The ranks from 1 to n that are drawn."""
    return np.unique(np.geomspace(1, n, _POINTS).round().astype(np.int64))


def _head_and_tail(entries: EntryCounts) -> Table:
    is_head = entries.counts > entries.ts[0]
    parts = [
        (f"head: more than {entries.ts[0]:,} captions", is_head),
        (f"tail: at most {entries.ts[0]:,}", ~is_head),
    ]
    series = [entries.counts, *([] if entries.kept is None else [entries.kept])]
    rows = [
        (name, f"{is_in_part.sum():,}", *(f"{counts[is_in_part].sum():,}" for counts in series))
        for name, is_in_part in parts
    ]
    shares = [f"{c[~is_head].sum() / c.sum():.1%}" if c.sum() else "-" for c in series]
    columns = ["", "entries", "matches", *(["kept"] if len(series) > 1 else [])]
    return Table("Head and tail", columns, [*rows, ("share of matches in the tail", "", *shares)])


def _entry_table(title: str, rows: Sequence[EntryRow]) -> Table:
    has_kept = any(row.kept is not None for row in rows)
    columns = ["entry", "captions", *(["kept"] if has_kept else [])]
    cells = [
        (visible(r.entry, 60), f"{r.count:,}", *([f"{r.kept:,}"] if r.kept is not None else []))
        for r in rows
    ]
    return Table(title, columns, cells)
