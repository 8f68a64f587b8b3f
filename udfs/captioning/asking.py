"""Ask a backend for a task's captions, check the answers, and note each in the journal."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction
from udfs.captioning.checks import NEVER_MATCHES, Checker
from udfs.captioning.journal import Journal, rows_of_task
from udfs.captioning.requests import Answer, Backend, Request, Spending
from udfs.tasks import task_number

ACCEPTED, REFUSED, FAILED = "accepted", "refused", "failed"
ASKED, ANSWERED, STOP = "asked", "answered", "stop"


@dataclass(frozen=True)
class Work:
    """What is asked, whom, and where answers are noted; equal for all tasks of a part of a run.

    `identity`: the columns that tell this prompt, model and sampling from others. `part`: names the
    part in the journal. `budget`: tokens that each task may use. `mean_tokens`: of an answer, of
    earlier parts.
    """

    backend: Backend
    checker: Checker
    identity: dict[str, str]
    folder: str
    part: str
    budget: int | None = None
    mean_tokens: float = 0.0


def ask(work: Work) -> BatchFunction:
    """For mapInArrow: a task's requests -> number asked, answered, why it stopped (or null).

    Input: the fields of Request. What an earlier try of the task has noted in the journal is not
    asked again: a partition must have the same rows each time.
    """

    def ask_batches(batches: Batches) -> Iterator[pa.RecordBatch]:
        requests = [Request(**row) for batch in batches for row in batch.to_pylist()]
        result = _ask_task(work, task_number(), requests)
        types = (pa.int64(), pa.int64(), pa.string())
        columns = [pa.array([value], type_) for value, type_ in zip(result, types, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, [ASKED, ANSWERED, STOP])

    return ask_batches


def _ask_task(work: Work, task: int, requests: Sequence[Request]) -> tuple[int, int, str | None]:
    if not requests:
        return 0, 0, None
    noted, used, answers = set(), 0, 0
    for row in rows_of_task(work.folder, work.part, task):
        noted.add(_key(row))
        tokens = (row.get("prompt_tokens") or 0) + (row.get("completion_tokens") or 0)
        used, answers = used + tokens, answers + (tokens > 0)
    spending = Spending(work.budget, work.mean_tokens, used=used, answers=answers)
    pending = [request for request in requests if request.key not in noted]
    askable = [request for request in pending if request.is_matchable]
    with Journal(work.folder, work.part, task) as journal:
        n_asked, n_answered, on_answer = 0, 0, noting(work, journal.add)

        def count_and_note(request: Request, answer: Answer) -> None:
            nonlocal n_asked, n_answered
            n_asked += 1
            n_answered += answer.text is not None
            on_answer(request, answer)

        for request in pending:
            if not request.is_matchable:
                journal.add(_row(work, request, REFUSED, NEVER_MATCHES))
        stop = work.backend.answer(askable, count_and_note, spending)
    return n_asked, n_answered, stop


def noting(work: Work, add: Callable[[dict[str, Any]], None]) -> Callable[[Request, Answer], None]:
    """A function that gives `add` the row of each answer, checked."""

    def note(request: Request, answer: Answer) -> None:
        status, cause, caption = _outcome(work.checker, request, answer)
        add(
            _row(work, request, status, cause)
            | {
                "message": answer.message,
                "caption": caption,
                "prompt_tokens": answer.prompt_tokens,
                "completion_tokens": answer.completion_tokens,
                "seconds": answer.seconds,
            }
        )

    return note


def _row(work: Work, request: Request, status: str, cause: str | None) -> dict[str, Any]:
    return {
        "concept": request.concept,
        "occurrence": request.occurrence,
        "n": request.n,
        **work.identity,
        "attempt": request.attempt,
        "status": status,
        "cause": cause,
    }


def _outcome(
    checker: Checker, request: Request, answer: Answer
) -> tuple[str, str | None, str | None]:
    """(status, cause, caption) of an answer; the caption of one that is refused, too."""
    if answer.text is None:
        return FAILED, answer.cause, None
    # JSON may hold half of a surrogate pair, which is no text.
    text = answer.text.encode("utf-8", "replace").decode()
    caption = checker.caption(text)
    cause = checker.refusal(request, caption, is_cut=answer.is_cut)
    return (ACCEPTED if cause is None else REFUSED), cause, caption


def _key(row: dict[str, Any]) -> tuple[str, int, int, int]:
    return row["concept"], row["occurrence"], row["n"], row["attempt"]
