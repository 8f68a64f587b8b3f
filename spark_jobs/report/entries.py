"""Entry counts before and after balancing (MetaCLIP, Xu et al. 2023, figures 2 and 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from spark_jobs.report.blocks import Block, Figure, Note, Table, visible
from spark_jobs.report.charts import AFTER, BEFORE, INK, MARK, chart

_POINTS = 300  # points of a curve, evenly spaced on the log axis


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
        axes.plot(ranks, entries.counts[ranks - 1], color=BEFORE, label="before", linewidth=1.8)
        if entries.kept is not None:
            kept = entries.kept[ranks - 1]
            has_kept = kept > 0  # a log axis has no zero
            axes.plot(
                ranks[has_kept], kept[has_kept], ".", color=AFTER, label="after", markersize=4
            )
        for t in entries.ts[:6]:
            axes.axhline(t, color=MARK, linewidth=1, linestyle="--")
            axes.annotate(
                f"t = {t:,}",
                (0.01, t),
                (0, 3),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                color=INK,
            )
        axes.set(xscale="log", yscale="log", xlabel="entry, by rank", ylabel="captions")
        axes.legend(loc="upper right")

    return chart(draw, "Captions per entry by rank, before and after balancing, on log-log axes")


def _cumulative_share(entries: EntryCounts) -> Markup:
    ranks = _ranks(entries.counts.size)

    def draw(axes: Axes) -> None:
        axes.plot(
            ranks,
            _cumulative_shares(entries.counts)[ranks - 1],
            color=BEFORE,
            label="before",
            lw=1.8,
        )
        if entries.kept is not None and entries.kept.any():
            after = _cumulative_shares(entries.kept)[ranks - 1]
            axes.plot(ranks, after, color=AFTER, label="after", linewidth=1.8)
        axes.set(xscale="log", xlabel="entries up to this rank", ylabel="share of matches")
        axes.set_ylim(0, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.legend(loc="upper left")

    return chart(draw, "Share of all matches that the most frequent entries hold together")


def _head_description(entries: EntryCounts) -> str:
    if entries.kept is None or len(entries.ts) != 1:
        return ""
    n_head = int((entries.counts > entries.ts[0]).sum())
    return (
        f"{n_head:,} entries occur in more than t = {entries.ts[0]:,} captions: the head. "
        f"The other {entries.counts.size - n_head:,} keep all of theirs."
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
    parts = [(f"head: more than {entries.ts[0]:,} captions", is_head), ("tail", ~is_head)]
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
