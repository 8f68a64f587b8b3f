"""Explain in words why balancing kept or dropped a caption."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_MAX_ENTRY_WIDTH = 34  # characters


@dataclass(frozen=True)
class MatchedEntry:
    """An entry that a caption matches; `count`: captions that match it."""

    entry_id: int
    entry: str
    count: int
    t: int

    @property
    def probability(self) -> float:
        """Keep probability of a caption with this match alone, t / max(count, t)."""
        return self.t / max(self.count, self.t)


@dataclass(frozen=True)
class Explanation:
    """Matched entries and draw of one caption, and the decision that follows from them.

    `in_output`: whether the balanced table has the caption, possibly by the floor alone.
    """

    uid: str
    entries: Sequence[MatchedEntry]
    seed: int
    draw: float
    in_output: bool = False

    @property
    def keep_probability(self) -> float:
        """1 - prod(1 - p) over the entries (MetaCLIP, Xu et al. 2023, algorithm 1)."""
        return 1.0 - math.prod(1.0 - entry.probability for entry in self.entries)

    @property
    def is_kept(self) -> bool:
        """Whether the draw is below the keep probability."""
        return self.draw < self.keep_probability

    def lines(self) -> list[str]:
        """A small table and the decision, at most 80 columns wide."""
        header = f"{'entry_id':>8}  {'entry':<36}{'captions':>12}{'probability':>14}"
        rows = [
            f"{e.entry_id:>8}  {_short(e.entry):<36}{e.count:>12,}{e.probability:>14.6f}"
            for e in self.entries
        ]
        decision = "kept" if self.is_kept or self.is_lifted else "dropped"
        return [f"uid {self.uid}", *([header, *rows] if rows else []), f"{decision}: {self.reason}"]

    @property
    def is_lifted(self) -> bool:
        """Whether the caption lost its draw, but the floor of an entry keeps it."""
        return bool(self.entries) and self.in_output and not self.is_kept

    @property
    def reason(self) -> str:
        """The draw and the keep probability that it was compared with."""
        if not self.entries:
            return "it matches no entry"
        sign = "<" if self.is_kept else ">="
        comparison = (
            f"draw {self.draw:.6f} {sign} keep probability {self.keep_probability:.6f} "
            f"(t {self._distinct_ts()}, seed {self.seed})"
        )
        if self.is_lifted:
            return f"for the floor of an entry, in spite of its {comparison}"
        return comparison

    def _distinct_ts(self) -> str:
        return ", ".join(f"{t:,}" for t in sorted({entry.t for entry in self.entries}))


def _short(entry: str) -> str:
    return entry if len(entry) <= _MAX_ENTRY_WIDTH else entry[: _MAX_ENTRY_WIDTH - 3] + "..."
