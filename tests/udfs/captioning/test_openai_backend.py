"""The openai backend against a server that misbehaves: outcomes, retries, limits, stops."""

import time
from collections import Counter
from typing import Any

import pytest

from tests.caption_server import BEHAVIOURS, KEY, MODEL, CaptionServer, running
from udfs.captioning.openai_backend import OpenAIBackend
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import BUDGET_USED, Answer, Request, Sampling, Spending

PROMPT = Prompt("Say <{{ concept }}>.")


def requests(n: int, name: str = "concept") -> list[Request]:
    return [Request(f"{name} {number}", 0, 0, 1) for number in range(n)]


def asked(
    server: CaptionServer, wanted: list[Request], *, budget: int | None = None, **options: Any
) -> tuple[dict[str, Answer], str | None]:
    """Concept -> answer, and why it stopped."""
    settings = {"concurrency": 8, "timeout_s": 1.0, "retries": 0} | options
    settings.setdefault("model", MODEL)
    settings.setdefault("server", server.url)
    backend = OpenAIBackend(prompt=PROMPT, sampling=Sampling(), **settings)
    answers: dict[str, Answer] = {}

    def note(request: Request, answer: Answer) -> None:
        assert request.concept not in answers
        answers[request.concept] = answer

    return answers, backend.answer(wanted, note, Spending(budget))


@pytest.mark.parametrize("prompt_as", ["chat", "text"])
def test_each_request_is_answered_once_with_its_tokens_and_own_seed(prompt_as: str) -> None:
    with running(CaptionServer(key=KEY)) as server:
        answers, stop = asked(server, requests(20), prompt_as=prompt_as, key=KEY)
    assert stop is None
    assert {a.text for a in answers.values()} == {server.write(p) for p, _ in server.asked}
    assert {(a.prompt_tokens, a.completion_tokens, a.cause) for a in answers.values()} == {
        (10, 10, None)
    }
    assert len(answers) == len(server.asked) == len({seed for _, seed in server.asked}) == 20


def test_a_fault_has_its_cause_and_passes_with_retries() -> None:
    wanted = [Request(name, 0, 0, 1) for name in BEHAVIOURS]

    def always(prompt: str, _times: int) -> str:
        return prompt.removeprefix("Say <").removesuffix(">.")

    with running(CaptionServer(behave=always)) as server:
        answers, stop = asked(server, wanted, timeout_s=0.5)
    assert stop is None
    assert {name: answers[name].cause for name in BEHAVIOURS} == BEHAVIOURS
    assert answers["null_text"].text == ""
    assert all(n == 1 for n in Counter(server.asked).values())

    def once(prompt: str, times: int) -> str:
        return "good" if times else always(prompt, times)

    with running(CaptionServer(behave=once)) as server:
        answers, stop = asked(server, wanted, timeout_s=0.5, retries=1)
    assert (stop, {answer.cause for answer in answers.values()}) == (None, {None})


def test_retry_after_is_obeyed() -> None:
    with running(
        CaptionServer(behave=lambda _, n: "good" if n else "429", retry_after="1")
    ) as server:
        started_s = time.monotonic()
        answers, stop = asked(server, requests(1), retries=1)
    assert (stop, answers["concept 0"].cause) == (None, None)
    assert 1.0 <= time.monotonic() - started_s < 5


def test_requests_run_at_once_and_no_more_than_allowed() -> None:
    with running(CaptionServer(delay_s=0.05)) as server:
        started_s = time.monotonic()
        asked(server, requests(41), concurrency=8)
        seconds = time.monotonic() - started_s
    assert server.most_at_once == 8
    assert 6 * 0.05 <= seconds < 41 * 0.05


def test_requests_and_tokens_per_minute_are_held() -> None:
    for limits in ({"requests_per_minute": 600.0}, {"tokens_per_minute": 12_000.0}):
        with running(CaptionServer()) as server:
            started_s = time.monotonic()
            asked(server, requests(11), concurrency=1, **limits)
        assert 1.0 <= time.monotonic() - started_s < 4, limits


@pytest.mark.parametrize("usage", [True, False])
def test_a_budget_stops_and_the_rest_is_not_asked(usage: bool) -> None:
    with running(CaptionServer(usage=usage, delay_s=0.01)) as server:
        answers, stop = asked(server, requests(50), budget=200, concurrency=4)
    assert stop == BUDGET_USED
    assert 9 <= len(answers) <= (10 if usage else 20)
    assert len(server.asked) == len(answers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": "sk-wrong-0123456789-0123456789-01234"}, "the key is wrong"),
        ({"key": KEY, "model": "gpt-none"}, "no model 'gpt-none'"),
    ],
)
def test_what_is_wrong_for_all_is_said_once(options: dict[str, Any], message: str) -> None:
    with running(CaptionServer(key=KEY)) as server:
        answers, stop = asked(server, requests(1_000), **options)
    assert stop is not None
    assert message in stop
    assert "sk-" not in stop
    assert len(stop.splitlines()) == 1
    assert (answers, server.asked) == ({}, [])


def test_no_server_is_said_once() -> None:
    nobody = CaptionServer(url="http://127.0.0.1:9/v1")
    answers, stop = asked(nobody, requests(1_000))
    assert (answers, stop) == ({}, "no server answers at http://127.0.0.1:9/v1")


def test_a_server_that_only_fails_is_left() -> None:
    with running(CaptionServer(behave=lambda *_: "500")) as server:
        answers, stop = asked(server, requests(1_000))
    assert stop == "10 requests failed one after another, the last by server: 500"
    assert len(answers) == len(server.asked) == 10
    with running(
        CaptionServer(behave=lambda *_: "500" if len(server.asked) > 50 else "good")
    ) as server:
        answers, stop = asked(server, requests(1_000))
    assert stop is not None
    assert 70 < len(answers) < 100


def test_the_key_is_not_shown() -> None:
    backend = OpenAIBackend("http://x", MODEL, PROMPT, Sampling(), key=KEY)
    assert KEY not in repr(backend)
