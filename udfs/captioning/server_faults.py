"""Why a server has not answered, whether that may pass, and when to ask again."""

import json
import ssl
from collections.abc import Iterator
from typing import Any

# Cause -> what it means; causes of requests that had no answer.
CAUSES = {
    "connection": "the connection broke, or was refused",
    "timeout": "no answer in time",
    "rate_limit": "the server answered 429 to the end",
    "server": "the server answered 5xx",
    "request": "the server refused the request, 4xx",
    "answer": "the answer could not be read, or had no choices",
    "model": "the model failed",
}
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_LONGEST_RETRY_AFTER_S = 600.0
_SHOWN_CHARACTERS = 200  # of a server's message
# Causes that say nothing of other requests: the server is there.
OF_ONE_REQUEST = ("request", "answer")
# Codes of 429 that no waiting ends.
_NO_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")


class RequestError(Exception):
    """A request without an answer; `cause` is one of CAUSES.

    `stops`: the line with which the task ends where nothing was answered before.
    """

    def __init__(
        self,
        cause: str,
        message: str,
        *,
        may_pass: bool,
        stops: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.cause, self.may_pass, self.stops = cause, may_pass, stops
        self.retry_after_s = retry_after_s


class StopError(Exception):
    """No request to this server can be answered; the message is one line."""


def fault_of(
    fault: Exception, server: str, model: str, key: str | None
) -> RequestError | StopError:
    """The fault of one request, of an exception of the openai client or of reading an answer.

    A StopError for a wrong key, an unknown model or address. Messages have nothing of the key.
    """
    import openai

    if isinstance(fault, openai.APITimeoutError | TimeoutError):
        return RequestError("timeout", "no answer in time", may_pass=True)
    if isinstance(fault, openai.APIResponseValidationError):
        return RequestError("answer", "the answer is not of OpenAI's form", may_pass=True)
    if isinstance(fault, openai.APIConnectionError):
        return _of_connection(fault, server, key)
    if isinstance(fault, openai.APIStatusError):
        return _of_status(fault, server, model, key)
    return RequestError(
        "answer", f"the answer cannot be read: {type(fault).__name__}", may_pass=True
    )


def _of_connection(fault: Any, server: str, key: str | None) -> RequestError | StopError:
    causes = [*_chain(fault)]
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if isinstance(tls, ssl.SSLCertVerificationError):
        said = getattr(tls, "verify_message", None) or _one_line(tls, key)
        return StopError(f"server {server}: its certificate is not trusted: {said}")
    said, stops = _one_line(fault, key), None
    if tls is not None:
        said = f"TLS: {_one_line(tls, key)}"
        stops = f"server {server}: no connection by {said}"
    elif any(map(_is_of_connecting, causes)):
        stops = f"no server answers at {server}"
    return RequestError("connection", said, may_pass=True, stops=stops)


def _of_status(fault: Any, server: str, model: str, key: str | None) -> RequestError | StopError:
    status, said = fault.status_code, _one_line(fault, key)
    if status in (401, 403):
        how = "the key is wrong or may not use it" if key else "it wants a key"
        return StopError(f"server {server} answers {status}: {how}; see --api-key-env")
    if status == 404:
        return StopError(
            f"server {server} answers 404: it has no model {model!r}, or its address lacks /v1: "
            f"{said}"
        )
    if status == 429 and {fault.code, fault.type} & {*_NO_QUOTA}:
        return StopError(f"server {server} answers 429: {said}")
    message = f"{status}: {said}" if said else str(status)
    if status == 429:
        wait_s = _retry_after_s(fault.response.headers)
        return RequestError("rate_limit", message, may_pass=True, retry_after_s=wait_s)
    if status >= 500 or status in (408, 409, 425):
        wait_s = _retry_after_s(fault.response.headers)
        return RequestError("server", message, may_pass=True, retry_after_s=wait_s)
    return RequestError("request", message, may_pass=False)


def seconds_to_wait(state: Any) -> float:
    """How long to wait before the next send: as the server says, else twice as long each time.

    For tenacity. The wait is at most as long again by a fraction that depends on the request, so
    that those that failed together do not come together.
    """
    fault = state.outcome.exception()
    asked_s = getattr(fault, "retry_after_s", None)
    waited_s = min(_FIRST_WAIT_S * 2.0 ** (state.attempt_number - 1), _LONGEST_WAIT_S)
    spread = (hash(state.args) % 1000) / 1000
    return float(waited_s * (1 + spread) if asked_s is None else asked_s + spread)


def _retry_after_s(headers: Any) -> float | None:
    """The seconds of Retry-After, a number or a date; None where it has neither."""
    import email.utils
    import time

    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        text = headers.get(name)
        try:
            seconds = float(text) * unit_s
        except (TypeError, ValueError):
            continue
        if seconds >= 0:
            return min(seconds, _LONGEST_RETRY_AFTER_S)
    try:
        date = email.utils.parsedate_to_datetime(headers.get("retry-after"))
    except (TypeError, ValueError):
        return None
    return min(max(date.timestamp() - time.time(), 0.0), _LONGEST_RETRY_AFTER_S)


def _chain(fault: BaseException | None) -> Iterator[BaseException]:
    """A fault and its causes."""
    while fault is not None:
        yield fault
        fault = fault.__cause__ or fault.__context__


def _is_of_connecting(fault: BaseException) -> bool:
    """Whether a fault says that nothing listens there."""
    text = f"{type(fault).__name__} {fault}".lower()
    return isinstance(fault, ConnectionRefusedError) or "connecterror" in text


def _one_line(fault: Any, key: str | None) -> str:
    """A fault's message in one short line, without the key, which some servers repeat."""
    body = getattr(fault, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    text = said if isinstance(said, str) else str(getattr(fault, "message", fault))
    if not text and body is not None:
        text = json.dumps(body, default=str)
    text = text.replace(key, "***") if key else text
    return " ".join(text.split())[:_SHOWN_CHARACTERS]
