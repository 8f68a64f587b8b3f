"""The chain of causes of a Spark exception, with error conditions and their parameters."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from udfs.opened_files import shown_path

_MAX_DEPTH = 12  # of the chain of causes
# A path in a message: an address with its scheme, or an absolute path.
_PATH = re.compile(r"(?<![\w/])(?:[a-z][a-z0-9+.-]*:)?/+[^\s,;:'\"`()\[\]{}<>]+")


@dataclass(frozen=True)
class Cause:
    """One exception of a chain.

    `class_name`: without package. `condition`: Spark's error condition (error class), with its
    `parameters` by name.
    """

    class_name: str
    message: str
    condition: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_line(self) -> str:
        """The first line of the message that is not blank; empty if there is none."""
        return next((line.strip() for line in self.message.splitlines() if line.strip()), "")

    @property
    def path(self) -> str | None:
        """The file or folder that it names in a parameter or in the message, as displayed."""
        for name in ("filePath", "path", "file"):
            if self.parameters.get(name):
                return path_in_message(self.parameters[name])
        match = _PATH.search(self.first_line)
        return None if match is None else path_in_message(match[0])


def causes_of(fault: BaseException) -> list[Cause]:
    """The exception and its causes, outermost first; only the exception itself on Spark Connect."""
    java = getattr(fault, "java_exception", None) or getattr(fault, "_origin", None)
    if java is not None:
        return [*_java_causes(java)]
    return [_python_cause(fault)]


def condition_of(fault: PySparkException) -> str | None:
    """Spark's error condition, which Spark 3.5 calls error class; None if it has none."""
    method = getattr(fault, "getCondition", None) or fault.getErrorClass
    condition: str | None = method()
    return condition


def path_in_message(path: str) -> str:
    """A path as shown in messages: without `file:` and without a sentence's final dot."""
    return re.sub(r"^/{2,}", "/", shown_path(path).rstrip("."))


def _python_cause(fault: BaseException) -> Cause:
    message = getattr(fault, "desc", None) or str(fault)
    if not isinstance(fault, PySparkException):
        return Cause(type(fault).__name__, message)
    parameters = fault.getMessageParameters() or {}
    return Cause(type(fault).__name__, message, condition_of(fault), dict(parameters))


def _java_causes(java: Any) -> Iterator[Cause]:
    for _ in range(_MAX_DEPTH):
        if java is None:
            return
        class_name = str(java.getClass().getName()).rpartition(".")[2].rpartition("$")[2]
        condition = _call(java, "getCondition") or _call(java, "getErrorClass")
        parameters = _call(java, "getMessageParameters") if condition else None
        message = java.getMessage() or ""
        yield Cause(class_name, str(message), condition, dict(parameters or {}))
        java = java.getCause()


def _call(java: Any, method: str) -> Any:
    """Result of a method of a Java exception; None if its class has no such method."""
    try:
        return getattr(java, method)()
    except Py4JError:
        return None
