"""Why balancing kept a caption or let it go, in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDEST_ENTRY = 34


@dataclass(frozen=True)
class MatchedEntry:
    """An entry that a caption matches, in how many captions it occurs, and its t."""

    entry_id: int
    entry: str
    count: int
    t: int

    @property
    def probability(self) -> float:
        """T / max(count, t): what this match alone would keep."""
        return self.t / max(self.count, self.t)


@dataclass(frozen=True)
class Explanation:
    """Entries and draw of one caption; everything else follows from them.

    `in_output`: whether the caption is in the balanced table, which a floor may have put it in.
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
        word = "kept" if self.is_kept or self.is_lifted else "dropped"
        return [f"uid {self.uid}", *([header, *rows] if rows else []), f"{word}: {self.reason}"]

    @property
    def is_lifted(self) -> bool:
        """Whether the draw was lost, but a floor put the caption back."""
        return bool(self.entries) and self.in_output and not self.is_kept

    @property
    def reason(self) -> str:
        """The draw and what it was held against."""
        if not self.entries:
            return "it matches no entry"
        sign = "<" if self.is_kept else ">="
        drawn = (
            f"draw {self.draw:.6f} {sign} keep probability {self.keep_probability:.6f} "
            f"(t {self._ts()}, seed {self.seed})"
        )
        return f"for the floor of an entry, in spite of its {drawn}" if self.is_lifted else drawn

    def _ts(self) -> str:
        return ", ".join(f"{t:,}" for t in sorted({entry.t for entry in self.entries}))


def _short(entry: str) -> str:
    return entry if len(entry) <= _WIDEST_ENTRY else entry[: _WIDEST_ENTRY - 3] + "..."
