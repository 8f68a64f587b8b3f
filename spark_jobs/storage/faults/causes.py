"""What lies behind an exception of Spark: its causes, with their conditions and parameters."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from udfs.opened_files import shown

_DEPTH = 12  # causes of causes
# What a message names: an address with its scheme, or an absolute path.
_PLACE = re.compile(r"(?<![\w/])(?:[a-z][a-z0-9+.-]*:)?/+[^\s,;:'\"`()\[\]{}<>]+")


@dataclass(frozen=True)
class Cause:
    """One exception: its class without package, its condition (error class), what it says.

    `parameters`: those of the condition, by name.
    """

    kind: str
    message: str
    condition: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_line(self) -> str:
        """The first line of the message that says anything."""
        return next((line.strip() for line in self.message.splitlines() if line.strip()), "")

    @property
    def place(self) -> str | None:
        """The file or folder that it names, by parameter or in its message."""
        for name in ("filePath", "path", "file"):
            if self.parameters.get(name):
                return display_path(self.parameters[name])
        match = _PLACE.search(self.first_line)
        return None if match is None else display_path(match[0])


def causes_of(fault: BaseException) -> list[Cause]:
    """The exception and what caused it, outermost first; of Spark Connect the exception alone."""
    java = getattr(fault, "java_exception", None) or getattr(fault, "_origin", None)
    if java is not None:
        return [*_java_causes(java)]
    return [_of_python(fault)]


def display_path(path: str) -> str:
    """How messages call a file: without file:, and without the dot that ends a sentence."""
    return re.sub(r"^/{2,}", "/", shown(path).rstrip("."))


def _of_python(fault: BaseException) -> Cause:
    message = getattr(fault, "desc", None) or str(fault)
    if not isinstance(fault, PySparkException):
        return Cause(type(fault).__name__, message)
    # Spark 4 calls it condition.
    condition = getattr(fault, "getCondition", fault.getErrorClass)()
    parameters = fault.getMessageParameters() or {}
    return Cause(type(fault).__name__, message, condition, dict(parameters))


def _java_causes(java: Any) -> Iterator[Cause]:
    for _ in range(_DEPTH):
        if java is None:
            return
        kind = str(java.getClass().getName()).rpartition(".")[2].rpartition("$")[2]
        condition = _ask(java, "getErrorClass") or _ask(java, "getCondition")
        parameters = _ask(java, "getMessageParameters") if condition else None
        message = java.getMessage() or ""
        yield Cause(kind, str(message), condition, dict(parameters or {}))
        java = java.getCause()


def _ask(java: Any, method: str) -> Any:
    """What a method of a Java exception says; None where its class has no such method."""
    try:
        return getattr(java, method)()
    except Py4JError:
        return None
