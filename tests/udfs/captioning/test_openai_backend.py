"""The openai backend against a server that misbehaves: outcomes, retries, limits, stops."""

import ssl
import time
from collections import Counter
from typing import Any

import httpx
import openai
import pytest

from tests.caption_server import BEHAVIOURS, KEY, MODEL, CaptionServer, running
from udfs.captioning.openai_backend import OpenAIBackend
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import BUDGET_USED, Answer, Request, Spending
from udfs.captioning.sampling import Sampling
from udfs.captioning.server_faults import RequestError, StopError, fault_of

PROMPT = Prompt("Say <{{ concept }}>.")


def requests(n: int, name: str = "concept") -> list[Request]:
    return [Request(f"{name} {number}", 0, 0, 1) for number in range(n)]


def asked(
    server: CaptionServer,
    wanted: list[Request],
    *,
    budget: int | None = None,
    mean: float = 0.0,
    **options: Any,
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

    return answers, backend.answer(wanted, note, Spending(budget, mean))


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
    assert stop is None
    assert {name for name, answer in answers.items() if answer.cause} == {"400"}


def test_retry_after_is_obeyed() -> None:
    with running(
        CaptionServer(behave=lambda _, n: "good" if n else "429", retry_after="1")
    ) as server:
        started_s = time.monotonic()
        answers, stop = asked(server, requests(1), retries=1)
    assert (stop, answers["concept 0"].cause) == (None, None)
    assert 1.0 <= time.monotonic() - started_s < 5


def test_requests_run_at_once_and_no_more_than_allowed() -> None:
    with running(CaptionServer(together=8)) as server:  # with fewer at a time, all time out
        answers, stop = asked(server, requests(41), concurrency=8, timeout_s=5)
    assert (stop, {answer.cause for answer in answers.values()}) == (None, {None})
    assert server.most_at_once == 8


def test_a_server_that_has_answered_before_is_asked_at_full_width_at_once() -> None:
    with running(CaptionServer(together=4)) as server:
        server.asked.append(("of an earlier part", None))
        answers, stop = asked(server, requests(4), concurrency=4, timeout_s=5, has_answered=True)
    assert (stop, {answer.cause for answer in answers.values()}) == (None, {None})


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
    # Estimates are kept, where the server does not count, so that a later run goes on from them.
    assert 200 <= sum(a.prompt_tokens + a.completion_tokens for a in answers.values()) < 240


def test_a_budget_counts_requests_without_answer_at_nothing() -> None:
    spending = Spending(100, 30.0)
    spending.start()
    spending.finish(0)
    for _ in range(4):  # at the mean of earlier parts: 0, 30, 60, 90
        assert spending.may_ask()
        spending.start()
    assert not spending.may_ask()
    again = Spending(100, used=90, answers=3)
    assert again.may_ask()
    again.start()
    assert not again.may_ask()


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
        answers, stop = asked(server, requests(1_000), timeout_s=60)
    assert stop is not None
    assert "answered none of 10 requests one after another" in stop
    assert stop.endswith("the last failed by server: 500: out of luck")
    assert len(answers) == len(server.asked) == 10
    with running(
        CaptionServer(behave=lambda *_: "500" if len(server.asked) > 50 else "good")
    ) as server:
        answers, stop = asked(server, requests(1_000))
    assert stop is not None
    assert 70 < len(answers) < 100


def test_a_server_that_never_answers_holds_a_run_for_little_more_than_two_timeouts() -> None:
    with running(CaptionServer(behave=lambda *_: "hang")) as server:
        started_s = time.monotonic()
        answers, stop = asked(server, requests(100), timeout_s=0.5, retries=5)
        seconds = time.monotonic() - started_s
    assert stop is not None
    assert (len(answers), "failed by timeout" in stop) == (1, True)
    assert len(server.asked) <= 3
    assert seconds < 4


@pytest.mark.parametrize("behaviour", ["400", "no_choices"])
def test_requests_that_fail_alone_stop_nothing(behaviour: str) -> None:
    """Twelve at the beginning, as in a round of those that always fail, and many of an answered."""

    def behave(prompt: str, _times: int) -> str:
        return behaviour if "bad" in prompt else "good"

    with running(CaptionServer(behave=behave)) as server:
        answers, stop = asked(server, [*requests(12, "bad"), *requests(5)])
        assert (stop, len(answers)) == (None, 17)
        answers, stop = asked(server, requests(120, "bad"), has_answered=True)
        assert (stop, len(answers)) == (None, 120)
        answers, stop = asked(server, requests(120, "bad"))
    # One that refuses whatever it is asked is left in the end.
    assert stop is not None
    assert (len(answers), "answered none of 100 requests" in stop) == (100, True)


def test_bytes_one_by_one_are_no_answer_in_time() -> None:
    wanted = [*requests(1), *requests(1, "slow")]
    with running(CaptionServer(behave=lambda p, _: "drip" if "slow" in p else "good")) as server:
        started_s = time.monotonic()
        answers, stop = asked(server, wanted, timeout_s=0.5)
    assert (stop, answers["slow 0"].cause) == (None, "timeout")
    assert time.monotonic() - started_s < 4


def test_a_quota_that_is_used_up_stops_in_the_servers_words() -> None:
    with running(CaptionServer(behave=lambda *_: "no_quota")) as server:
        answers, stop = asked(server, requests(100), retries=5)
    assert (answers, len(server.asked)) == ({}, 1)
    assert stop == f"server {server.url} answers 429: You exceeded your quota"


def test_what_is_wrong_for_all_is_said_rather_than_a_budgets_end() -> None:
    with running(CaptionServer(behave=lambda *_: "no_quota", delay_s=0.1)) as server:
        wanted, backend = requests(100), {"concurrency": 4, "has_answered": True}
        _, stop = asked(server, wanted, budget=20, mean=15.0, **backend)
    assert (stop or "").endswith("answers 429: You exceeded your quota")


def test_what_the_server_says_is_told() -> None:
    with running(CaptionServer(behave=lambda p, _: "429" if " 1>" in p else "good")) as server:
        answers, _ = asked(server, requests(2))
    assert answers["concept 1"].message == "429: slow down"


def connection_fault(cause: Exception) -> RequestError | StopError:
    """Our fault of the client's, which has its cause at two removes."""
    middle = httpx.ConnectError(str(cause))
    middle.__cause__ = cause
    fault = openai.APIConnectionError(request=httpx.Request("POST", "https://x/v1"))
    fault.__cause__ = middle
    return fault_of(fault, "https://x/v1", MODEL, None)


def test_faults_of_tls_are_told_as_such() -> None:
    plain = connection_fault(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"))
    assert isinstance(plain, RequestError)
    assert plain.stops is not None
    assert plain.stops.startswith("server https://x/v1: no connection by TLS: ")
    assert "WRONG_VERSION_NUMBER" in str(plain)
    untrusted = connection_fault(ssl.SSLCertVerificationError(1, "certificate verify failed"))
    assert isinstance(untrusted, StopError)
    assert "its certificate is not trusted: " in str(untrusted)
    refused = connection_fault(ConnectionRefusedError(111, "refused"))
    assert isinstance(refused, RequestError)
    assert refused.stops == "no server answers at https://x/v1"


def test_the_key_is_not_shown() -> None:
    backend = OpenAIBackend("http://x", MODEL, PROMPT, Sampling(), key=KEY)
    assert KEY not in repr(backend)
