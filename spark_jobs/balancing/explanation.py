"""Why balancing kept a caption or let it go, in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDEST_ENTRY = 34


@dataclass(frozen=True)
class MatchedEntry:
    """An entry that a caption matches, and in how many captions it occurs."""

    entry_id: int
    entry: str
    count: int

    def probability(self, t: int) -> float:
        """T / max(count, t): what this match alone would keep."""
        return t / max(self.count, t)


@dataclass(frozen=True)
class Explanation:
    """Entries, t and draw of one caption; everything else follows from them."""

    uid: str
    entries: Sequence[MatchedEntry]
    t: int
    seed: int
    draw: float

    @property
    def keep_probability(self) -> float:
        """1 - prod(1 - p) over the entries (MetaCLIP, Xu et al. 2023, algorithm 1)."""
        return 1.0 - math.prod(1.0 - entry.probability(self.t) for entry in self.entries)

    @property
    def is_kept(self) -> bool:
        """Whether the draw is below the keep probability."""
        return self.draw < self.keep_probability

    def lines(self) -> list[str]:
        """A small table and the decision, at most 80 columns wide."""
        header = f"{'entry_id':>8}  {'entry':<36}{'captions':>12}{'probability':>14}"
        rows = [
            f"{e.entry_id:>8}  {_short(e.entry):<36}{e.count:>12,}{e.probability(self.t):>14.6f}"
            for e in self.entries
        ]
        sign, word = ("<", "kept") if self.is_kept else (">=", "dropped")
        decision = (
            f"{word}: draw {self.draw:.6f} {sign} keep probability {self.keep_probability:.6f} "
            f"(t {self.t:,}, seed {self.seed})"
        )
        if not self.entries:
            decision = "dropped: it matches no entry"
        return [f"uid {self.uid}", *([header, *rows] if rows else []), decision]


def _short(entry: str) -> str:
    return entry if len(entry) <= _WIDEST_ENTRY else entry[: _WIDEST_ENTRY - 3] + "..."
