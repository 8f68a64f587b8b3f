"""The language of mixes: which source's caption each image takes.

    mix   = step, then any number of `else` step, then maybe `where` column
    step  = pick, then maybe `top` fraction, or `>=` number, or `>= same`
    pick  = source | best(sources) | random(sources) | concat(sources) | all(sources)

An image takes the pick of the first step that holds it. `top 0.3` or `top 30%`: its score is in the
top of the whole pool; `>= same`: it reaches the threshold of the last `top` before. In `random` and
`all` a source may have a weight, `blip2:0.5`; it is 1 by default.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

PickKind = Literal["one", "best", "random", "concat", "all"]
_MOST_WEIGHT = 10**9
_WORDS = ("else", "where", "top", "same", *get_args(PickKind)[1:])
_TOKEN = re.compile(r"\s*(>=|[(),:]|`[^`]+`|[^\s(),:>=`]+)")


@dataclass(frozen=True)
class Pick:
    """The caption that a step takes: one source's, the best scored, a random one, or several.

    `weights`: source -> weight, in order.
    """

    kind: PickKind
    weights: Mapping[str, float]

    def __str__(self) -> str:
        names = [n if w == 1 else f"{n}:{w:g}" for n, w in self.weights.items()]
        return names[0] if self.kind == "one" else f"{self.kind}({', '.join(names)})"


@dataclass(frozen=True)
class MixStep:
    """A pick, and the rows that take it: all, the top fraction, or those of at least a score.

    `is_same`: of at least the threshold of the last step with a top before it.
    """

    pick: Pick
    top: float | None = None
    at_least: float | None = None
    is_same: bool = False

    @property
    def needs_score(self) -> bool:
        """Whether a score decides who takes it, or which source it takes."""
        is_filtered = self.top is not None or self.at_least is not None or self.is_same
        return is_filtered or self.pick.kind == "best"

    def __str__(self) -> str:
        if self.top is not None:
            return f"{self.pick} top {self.top:g}"
        if self.is_same:
            return f"{self.pick} >= same"
        return str(self.pick) if self.at_least is None else f"{self.pick} >= {self.at_least:g}"


@dataclass(frozen=True)
class Mix:
    """Steps in order, and a boolean column that must be true for the rows that stay."""

    steps: Sequence[MixStep]
    where: str | None = None

    @property
    def sources(self) -> list[str]:
        """The sources that the steps name, each once."""
        return list(dict.fromkeys(name for step in self.steps for name in step.pick.weights))

    @property
    def scored_sources(self) -> list[str]:
        """The sources whose score decides something."""
        steps = (step for step in self.steps if step.needs_score)
        return list(dict.fromkeys(name for step in steps for name in step.pick.weights))


def parse_mix(text: str) -> Mix:
    """Parse a mix; ValueError, with what was expected and found, if it is none."""
    parser = _Parser(list(_tokens(text)))
    mix = parser.mix()
    if parser.found is not None:
        raise ValueError(f"expected else, where or the end, found {parser.found!r}")
    return mix


def _tokens(text: str) -> Iterator[str]:
    position, end = 0, len(text.rstrip())
    while position < end:
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"expected a source, found {text[position:].strip()[:20]!r}")
        yield token[1]
        position = token.end()


class _Parser:
    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._position = 0

    @property
    def found(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _take(self, *expected: str) -> bool:
        is_taken = self.found in expected
        self._position += is_taken
        return is_taken

    def _next(self, expected: str) -> str:
        if self.found is None:
            raise ValueError(f"expected {expected}, found the end")
        self._position += 1
        return self._tokens[self._position - 1]

    def mix(self) -> Mix:
        steps = [self._step()]
        while self._take("else"):
            steps.append(self._step())
        where = self._next("a column").strip("`") if self._take("where") else None
        for number, step in enumerate(steps):
            if step.is_same and all(before.top is None for before in steps[:number]):
                raise ValueError(
                    f"{step}: there is no top before it, whose threshold it could take"
                )
        open_steps = [step for step in steps[:-1] if not step.needs_score]
        if open_steps:
            raise ValueError(f"{open_steps[0]} takes every row, so what follows gets none")
        return Mix(steps, where)

    def _step(self) -> MixStep:
        pick = self._pick()
        step = MixStep(pick)
        if self._take("top"):
            step = MixStep(pick, top=self._fraction())
        elif self._take(">="):
            is_same = self._take("same")
            step = (
                MixStep(pick, is_same=True) if is_same else MixStep(pick, at_least=self._number())
            )
        if step.needs_score and pick.kind in ("concat", "all"):
            raise ValueError(f"{step}: {pick.kind} has no score of its own, so it takes no filter")
        return step

    def _pick(self) -> Pick:
        name = self._next("a source")
        if self._take("("):
            if name not in get_args(PickKind)[1:]:
                raise ValueError(f"expected best, random, concat or all before (, found {name!r}")
            weights: dict[str, float] = {}
            while True:
                source = self._source(self._next("a source"))
                if source in weights:
                    raise ValueError(f"{source!r} stands twice in {name}")
                weights[source] = self._weight() if name in ("random", "all") else 1.0
                if self._next(", or )") == ")":
                    return Pick(name, weights)  # type: ignore[arg-type]
        return Pick("one", {self._source(name): 1.0})

    def _source(self, name: str) -> str:
        if name in (*_WORDS, "(", ")", ",", ":", ">="):
            raise ValueError(f"expected a source, found {name!r}")
        return name.strip("`")

    def _weight(self) -> float:
        if not self._take(":"):
            return 1.0
        weight = self._number()
        if not 0 < weight <= _MOST_WEIGHT:
            raise ValueError(f"expected a weight above 0, to {_MOST_WEIGHT:,}, found {weight:g}")
        return weight

    def _number(self) -> float:
        text = self._next("a number")
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"expected a number, found {text!r}")
        return number

    def _fraction(self) -> float:
        text = self._next("a fraction")
        try:
            written = Decimal(text.removesuffix("%"))
            # As decimals: 0.7 / 100 is not the float that is written 0.007.
            fraction = float(written.scaleb(-2) if text.endswith("%") else written)
        except ArithmeticError:
            raise ValueError(f"expected a fraction, found {text!r}") from None
        if not 0 <= fraction <= 1:
            raise ValueError(f"expected a fraction from 0 to 1, or up to 100%, found {text}")
        return fraction
