"""Captions from any OpenAI-compatible server: vLLM, llama.cpp, Databricks, `transformers serve`."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from udfs.captioning.pacing import Pace
from udfs.captioning.prompts import Prompt
from udfs.captioning.requests import BUDGET_USED, Answer, OnAnswer, PromptAs, Request, Spending
from udfs.captioning.sampling import Sampling
from udfs.captioning.server_faults import (
    OF_ONE_REQUEST,
    RequestError,
    StopError,
    fault_of,
    seconds_to_wait,
)

_FIRST_FAULTS = 10  # of the server, before anything was answered, that stop a task
_FIRST_TIMEOUTS = 2  # the time after which no fault of the server is waited out there
_FIRST_REFUSED = 100  # requests that were refused one by one, before anything was answered
_FAULTS_PER_CONNECTION = 3  # of the server, in a row, later


@dataclass(frozen=True)
class OpenAIBackend:
    """A server, and what one task may ask of it at a time and per minute.

    `retries`: further sends of a request that failed for a reason that may pass. `timeout_s`: of a
    send, from its first byte to its answer's last. `has_answered`: whether the server has answered
    this run before. The key is in no repr, and so in no log.
    """

    server: str
    model: str
    prompt: Prompt
    sampling: Sampling
    prompt_as: PromptAs = "chat"
    key: str | None = field(default=None, repr=False)
    concurrency: int = 32
    timeout_s: float = 120.0
    retries: int = 5
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    has_answered: bool = False

    def answer(
        self, requests: Sequence[Request], on_answer: OnAnswer, spending: Spending
    ) -> str | None:
        """Answer requests, as udfs.captioning.requests.Backend has it."""
        return asyncio.run(_Asking(self, on_answer, spending).all(requests))


class _Asking:
    """One task's requests to a server, in one event loop."""

    def __init__(self, backend: OpenAIBackend, on_answer: OnAnswer, spending: Spending) -> None:
        self._backend, self._on_answer, self._spending = backend, on_answer, spending
        self._requests_pace = Pace(backend.requests_per_minute)
        self._tokens_pace = Pace(backend.tokens_per_minute)
        self._stop: str | None = None
        self._faults, self._refused, self._answered = 0, 0, backend.has_answered
        self._patient_until_s = time.monotonic() + _FIRST_TIMEOUTS * backend.timeout_s

    async def all(self, requests: Sequence[Request]) -> str | None:
        from openai import AsyncOpenAI

        pending = iter(requests)
        # Some servers want no key, but the client always does.
        key = self._backend.key or "none"
        async with AsyncOpenAI(
            base_url=self._backend.server,
            api_key=key,
            max_retries=0,
            timeout=self._backend.timeout_s,
        ) as client:
            # One by one until something is answered: a wrong key is not tried at full width.
            while not self._answered and (request := self._next(pending)) is not None:
                await self._ask(client, request)
            workers = (self._work(client, pending) for _ in range(self._backend.concurrency))
            await asyncio.gather(*workers)
        return self._stop

    async def _work(self, client: Any, pending: Any) -> None:
        while (request := self._next(pending)) is not None:
            await self._ask(client, request)

    def _next(self, pending: Any) -> Request | None:
        """The next request; None after the last one, or once the task has stopped."""
        if self._stop is not None:
            return None
        if not self._spending.may_ask():
            self._stop = BUDGET_USED
            return None
        request: Request | None = next(pending, None)
        return request

    async def _ask(self, client: Any, request: Request) -> None:
        self._spending.start()
        try:
            answer = await self._answer(client, request)
        except StopError as stop:
            self._stop_for(str(stop))
            self._spending.finish(0)
            return
        tokens = (answer.prompt_tokens or 0) + (answer.completion_tokens or 0)
        self._spending.finish(tokens)
        self._tokens_pace.pay(tokens)
        self._on_answer(request, answer)
        if answer.cause is None:
            self._answered, self._faults = True, 0
        elif answer.cause in OF_ONE_REQUEST:
            self._faults, self._refused = 0, self._refused + 1
        else:
            self._faults += 1
        if answer.cause is not None and self._gives_up():
            self._stop_for(
                f"server {self._backend.server} has answered none of {self._n_failed()} requests "
                f"one after another, the last failed by {answer.cause}: {answer.message}"
            )

    def _stop_for(self, why: str) -> None:
        """Stop, unless it has; what is wrong for all counts more than the end of a budget."""
        if self._stop in (None, BUDGET_USED):
            self._stop = why

    def _n_failed(self) -> int:
        return self._faults if self._answered else self._faults + self._refused

    def _gives_up(self) -> bool:
        """Whether what has failed tells that further requests will.

        Once something was answered, refusals of single requests tell nothing of others.
        """
        if self._answered:
            most = _FAULTS_PER_CONNECTION * self._backend.concurrency
            return self._faults >= max(most, _FIRST_FAULTS)
        is_late = self._faults > 0 and time.monotonic() >= self._patient_until_s
        return is_late or self._faults >= _FIRST_FAULTS or self._refused >= _FIRST_REFUSED

    async def _answer(self, client: Any, request: Request) -> Answer:
        """The answer, after retries; StopError where no request to this server can be answered."""
        import tenacity

        tries = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self._backend.retries + 1),
            wait=seconds_to_wait,
            retry=tenacity.retry_if_exception(self._may_pass),
            reraise=True,
        )
        started_s = time.monotonic()
        try:
            return await tries(self._send, client, request)
        except RequestError as fault:
            if fault.stops is not None and not self._answered:
                raise StopError(fault.stops) from None
            seconds = time.monotonic() - started_s
            return Answer(None, seconds, fault.cause, str(fault))

    def _may_pass(self, fault: BaseException) -> bool:
        if self._stop not in (None, BUDGET_USED) or not isinstance(fault, RequestError):
            return False
        is_patient = self._answered or time.monotonic() < self._patient_until_s
        return fault.may_pass and is_patient

    async def _send(self, client: Any, request: Request) -> Answer:
        """One request; RequestError or StopError where it has no answer."""
        await self._tokens_pace.wait()
        await self._requests_pace.wait(1.0)
        backend, started_s = self._backend, time.monotonic()
        prompt = backend.prompt.of(request.concept)
        path, body = _path_and_body(backend, request, prompt)
        try:
            # Not by chat.completions.create: the client's models of requests and answers take a
            # third of its time. Its own timeout is of each read, so that bytes one by one go on.
            async with asyncio.timeout(backend.timeout_s):
                response = await client.post(path, body=body, cast_to=str)
            answer = _read(json.loads(response), time.monotonic() - started_s)
        except Exception as fault:  # the client raises what it meets in bodies, too
            raise fault_of(fault, backend.server, backend.model, backend.key) from None
        return _counted(answer, prompt)


def _path_and_body(
    backend: OpenAIBackend, request: Request, prompt: str
) -> tuple[str, dict[str, Any]]:
    sampling = backend.sampling
    is_chat = backend.prompt_as == "chat"
    asked = {"messages": [{"role": "user", "content": prompt}]} if is_chat else {"prompt": prompt}
    body: dict[str, Any] = {
        **asked,
        "model": backend.model,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "max_tokens": sampling.max_tokens,
    }
    if sampling.seed is not None:
        body["seed"] = request.seed(sampling.seed)
    return "/chat/completions" if is_chat else "/completions", body


def _read(response: Any, seconds: float) -> Answer:
    """The first choice of a response's JSON; ValueError where it has none."""
    choices = response.get("choices") if isinstance(response, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError("it has no choices")
    choice = choices[0]
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if text is not None and not isinstance(text, str):
        raise ValueError("its first choice has no text")
    usage = response.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Answer(
        text or "",
        seconds,
        prompt_tokens=_count(counts.get("prompt_tokens")),
        completion_tokens=_count(counts.get("completion_tokens")),
        is_cut=choice.get("finish_reason") == "length",
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**31 else None


def _counted(answer: Answer, prompt: str) -> Answer:
    """An answer with its tokens; four characters each where the server does not count them."""
    known = (answer.prompt_tokens, answer.completion_tokens)
    texts = (prompt, answer.text or "")
    counts = [
        len(text) // 4 + 1 if count is None else count
        for count, text in zip(known, texts, strict=True)
    ]
    return replace(answer, prompt_tokens=counts[0], completion_tokens=counts[1])
