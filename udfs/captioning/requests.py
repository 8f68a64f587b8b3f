"""What a language model is asked, and what it answers."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

PAPERS = ("SynthCLIP, captions_generator.py: prompts and sampling of captions around concepts",)

PromptAs: TypeAlias = Literal["chat", "text"]
BUDGET_USED = "the budget of tokens is used up"


@dataclass(frozen=True)
class Request:
    """One try for the caption `n` of a concept; `occurrence` counts repeats of it in the bank.

    `is_matchable`: whether some caption has the concept by the matching rule.
    """

    concept: str
    occurrence: int
    n: int
    attempt: int
    lang: str | None = None
    is_matchable: bool = True

    @property
    def key(self) -> tuple[str, int, int, int]:
        """What names the try among those of the same prompt, model and sampling."""
        return self.concept, self.occurrence, self.n, self.attempt

    def seed(self, seed: int) -> int:
        """A seed of 31 bits, of this try alone."""
        text = json.dumps([seed, *self.key])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True)
class Answer:
    """A model's answer to a request, or the cause why there is none (text is None).

    Token counts are estimates where the server gives none, and None without an answer. `seconds`:
    of the request that was answered.
    """

    text: str | None
    seconds: float
    cause: str | None = None
    message: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    is_cut: bool = False


OnAnswer: TypeAlias = Callable[[Request, Answer], None]


class Backend(Protocol):
    """Something that answers prompts."""

    def answer(
        self, requests: Sequence[Request], on_answer: OnAnswer, spending: "Spending"
    ) -> str | None:
        """Call `on_answer` once for each request, in any order, as soon as it is answered.

        Returns None, or in one line why it has stopped before the last request: those without
        answer were not paid for.
        """


class Spending:
    """Tokens that a task may use, and has used; requests that run are held against the budget.

    `mean`: tokens of an answer, as far as earlier ones tell. `used`, `answers`: of this task's
    earlier tries.
    """

    def __init__(
        self, budget: int | None, mean: float = 0.0, *, used: int = 0, answers: int = 0
    ) -> None:
        self._budget, self._mean = budget, mean
        self.used, self._answers = used, answers
        self._running = 0

    def may_ask(self) -> bool:
        """Whether another request fits, at the mean tokens of answers so far."""
        if self._budget is None:
            return True
        mean = self.used / self._answers if self._answers else self._mean
        return self.used + self._running * mean < self._budget

    def start(self) -> None:
        """Count a request that is sent."""
        self._running += 1

    def finish(self, tokens: int) -> None:
        """Count the tokens of a request that was sent; 0 of one without an answer."""
        self._running -= 1
        self._answers += tokens > 0
        self.used += tokens
