"""Explain in words why balancing kept or dropped a caption."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

_ENTRY_WIDTH = 26  # characters
_MAX_FACTORS = 4  # of the product; more are shortened to "..."
_DIGITS = 6


@dataclass(frozen=True)
class MatchedEntry:
    """An entry that a caption matches; `count`: captions that match it.

    `n_texts`: texts of the record that match it; 1 for a caption alone.
    """

    entry_id: int
    entry: str
    count: int
    t: int
    n_texts: int = 1

    @property
    def probability(self) -> float:
        """Keep probability of a caption with this match alone, t / max(count, t)."""
        return self.t / max(self.count, self.t)

    def of_texts(self, n_texts: int) -> Self:
        """The entry for a record with so many texts that match it."""
        return replace(self, n_texts=n_texts)

    @property
    def factor(self) -> str:
        """What the entry contributes to the product, as written: `(1 - 0.017079)`."""
        power = f"^{self.n_texts}" if self.n_texts > 1 else ""
        return f"(1 - {self.probability:.{_DIGITS}f}){power}"


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
        """1 - prod(1 - p) over the matches (MetaCLIP, Xu et al. 2023, algorithm 1)."""
        return 1.0 - math.prod((1.0 - e.probability) ** e.n_texts for e in self.entries)

    @property
    def is_kept(self) -> bool:
        """Whether the draw is below the keep probability."""
        return self.draw < self.keep_probability

    @property
    def is_lifted(self) -> bool:
        """Whether the caption lost its draw, but the floor of an entry keeps it."""
        return bool(self.entries) and self.in_output and not self.is_kept

    def lines(self) -> list[str]:
        """The entries with their numbers, the product, the draw, and the decision."""
        if not self.entries:
            return [f"uid {self.uid}", f"dropped: {self.reason}"]
        return [
            f"uid {self.uid}",
            f"{'entry_id':>8}  {'entry':<{_ENTRY_WIDTH}}{'captions':>12}{'t':>9}"
            f"{'t / max(captions, t)':>22}",
            *(
                f"{e.entry_id:>8}  {_short(e.entry):<{_ENTRY_WIDTH}}{e.count:>12,}{e.t:>9,}"
                f"{e.probability:>22.{_DIGITS}f}"
                for e in self.entries
            ),
            f"keep probability: 1 - {self._product()} = {self._numbers[1]}",
            f"draw: {self._numbers[0]} (fixed by the uid and seed {self.seed})",
            self._decision(),
        ]

    def _product(self) -> str:
        factors = [entry.factor for entry in self.entries]
        if len(factors) > _MAX_FACTORS:
            factors = [*factors[: _MAX_FACTORS - 2], "...", factors[-1]]
        return " x ".join(factors)

    def _decision(self) -> str:
        draw, probability = self._numbers
        if self.is_kept:
            return f"kept, since {draw} < {probability}"
        if self.is_lifted:
            return f"kept for the floor of an entry, though {draw} >= {probability}"
        return f"dropped, since {draw} >= {probability}"

    @property
    def reason(self) -> str:
        """The decision in a line: the draw and the keep probability that it was compared with."""
        if not self.entries:
            return "it matches no entry"
        draw, probability = self._numbers
        ts = ", ".join(f"{t:,}" for t in sorted({entry.t for entry in self.entries}))
        comparison = (
            f"draw {draw} {'<' if self.is_kept else '>='} keep probability {probability} "
            f"(t {ts}, seed {self.seed})"
        )
        if self.is_lifted:
            return f"for the floor of an entry, in spite of its {comparison}"
        return comparison

    @property
    def _numbers(self) -> tuple[str, str]:
        """The draw and the keep probability, with as many digits as tell them apart."""
        numbers = (self.draw, self.keep_probability)
        draw, probability = (f"{number:.{_DIGITS}f}" for number in numbers)
        if draw == probability and self.draw != self.keep_probability:
            draw, probability = (f"{number:.17g}" for number in numbers)
        return draw, probability


def _short(entry: str) -> str:
    return entry if len(entry) < _ENTRY_WIDTH else entry[: _ENTRY_WIDTH - 4] + "..."
