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

# Spark Connect: the Java class, in front of messages of exceptions without a Python class.
_REASON = re.compile(r"\(([A-Za-z_][\w.$]*)\) ")
_CONDITION = re.compile(r"\s*\[([A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*)\]")
_CAUSED_BY = re.compile(
    r"(?:^Caused by: |most recent failure: [^\n]*?\): )([A-Za-z_][\w.$]*)(?:: |$)",
    re.MULTILINE,
)


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
    """The exception and its causes, outermost first."""
    java = getattr(fault, "java_exception", None) or getattr(fault, "_origin", None)
    if java is not None:
        return [*_java_causes(java)]
    return [*_python_causes(fault)]


def condition_of(fault: BaseException) -> str | None:
    """Spark's error condition of an exception; None if it has none.

    Clients of Spark Connect 3.5 have it only at the beginning of the message.
    """
    if not isinstance(fault, PySparkException):
        return None
    # Spark 4 renames the error class to condition.
    condition = getattr(fault, "getCondition", fault.getErrorClass)()
    return condition or condition_in_message(_REASON.sub("", str(fault)))


def condition_in_message(message: str) -> str | None:
    """The condition that a message begins with, as in `[PATH_NOT_FOUND] Path ...`."""
    match = _CONDITION.match(message)
    return None if match is None else match[1]


def path_in_message(path: str) -> str:
    """A path as shown in messages: without `file:` and without a sentence's final dot."""
    return re.sub(r"^/{2,}", "/", shown_path(path).rstrip("."))


def _python_causes(fault: BaseException) -> Iterator[Cause]:
    """The exception, and the causes that a server of Spark Connect has written into its message."""
    text = getattr(fault, "desc", None) or str(fault)
    if not isinstance(fault, PySparkException):
        yield Cause(type(fault).__name__, text)
        return
    reason = _REASON.match(text)
    class_name = _simple_name(reason[1]) if reason else type(fault).__name__
    inner = [*_CAUSED_BY.finditer(text)][: _MAX_DEPTH - 1]
    ends = [*(match.start() for match in inner), len(text)]
    parameters = dict(fault.getMessageParameters() or {})
    message = text[reason.end() if reason else 0 : ends[0]]
    yield Cause(class_name, message, condition_of(fault), parameters)
    for match, end in zip(inner, ends[1:], strict=True):
        message = text[match.end() : end].partition("\n\tat ")[0].strip()
        yield Cause(_simple_name(match[1]), message, condition_in_message(message))


def _simple_name(java_class: str) -> str:
    """The name of a Java class without its package and outer class."""
    return java_class.rpartition(".")[2].rpartition("$")[2]


def _java_causes(java: Any) -> Iterator[Cause]:
    for _ in range(_MAX_DEPTH):
        if java is None:
            return
        class_name = _simple_name(str(java.getClass().getName()))
        condition = _call(java, "getCondition") or _call(java, "getErrorClass")
        parameters = _call(java, "getMessageParameters") if condition else None
        message = str(java.getMessage() or "")
        condition = condition or condition_in_message(message)
        yield Cause(class_name, message, condition, dict(parameters or {}))
        java = java.getCause()


def _call(java: Any, method: str) -> Any:
    """Result of a method of a Java exception; None if its class has no such method."""
    try:
        return getattr(java, method)()
    except Py4JError:
        return None
