"""Captions that a language model wrote: accepted and refused, tries, length, tokens, seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

from spark_jobs.report.blocks import Block, Example, Examples, Table, visible


@dataclass(frozen=True)
class WrittenBy:
    """The tries with one prompt, model and sampling; `words` and `seconds` are means, None of none.

    `first`: captions that were accepted at their first try.
    """

    name: str
    tries: int
    accepted: int
    first: int
    words: float | None
    tokens: int
    seconds: float | None


@dataclass(frozen=True)
class Outcome:
    """The number of tries that ended in one way; `meaning` is of its cause."""

    status: str
    cause: str
    meaning: str
    tries: int


def generated_blocks(
    written: Sequence[WrittenBy],
    outcomes: Sequence[Outcome],
    accepted: Sequence[Example],
    refused: Sequence[Example],
) -> list[Block]:
    """A table by model and prompt, one of causes, and examples."""
    n_tries = sum(outcome.tries for outcome in outcomes)
    blocks: list[Block] = [
        Table(
            "Tries by model and prompt",
            ["model, prompt", "tries", "accepted", "at first", "words", "tokens", "s a try"],
            [
                (
                    visible(by.name, 80),
                    f"{by.tries:,}",
                    f"{by.accepted:,}",
                    f"{by.first:,}",
                    _mean(by.words, 1),
                    f"{by.tokens:,}",
                    _mean(by.seconds, 2),
                )
                for by in written
            ],
            is_wide=True,
        ),
        Table(
            "What became of tries",
            ["status", "cause", "what it means", "tries", "share"],
            [
                (o.status, o.cause, o.meaning, f"{o.tries:,}", f"{o.tries / n_tries:.1%}")
                for o in outcomes
            ],
            first_number=3,
            is_wide=True,
        ),
    ]
    examples = [Examples("Accepted", accepted), Examples("Refused", refused)]
    return [*blocks, *(block for block in examples if block.examples)]


def _mean(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
