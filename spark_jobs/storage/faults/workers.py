"""Exceptions of Python workers: what the last line of their trace says to a user."""

import re

from spark_jobs.core.errors import CurationError, InputDataError

_TRACE = "Traceback (most recent call last):"
# A line of the trace that is not indented and names an exception: `module.Class: what it says`.
_RAISED = re.compile(r"^([A-Za-z_][\w.]*)(?:: (.*))?$", re.MULTILINE)
# Faults of an input, worded for people where they are raised.
_FOR_PEOPLE = ("TaskInputError", "ModelError", "DamagedFileError")
_MEMORY = "MemoryError"
_OUT_OF_MEMORY = (
    "a Python worker ran out of memory ({line}); give executors more outside the heap "
    "(spark.executor.memoryOverhead), or run fewer tasks at once (spark.executor.cores, in local "
    "mode spark.master)"
)
_NO_MODULE = (
    "the workers' Python lacks a module ({line}); install it on every executor: pip install "
    "captionlake with the extras that the job needs"
)


def worker_fault(text: str) -> CurationError | None:
    """The error behind the trace of a Python worker in a message; None where it holds none."""
    _, begun, trace = text.rpartition(_TRACE)
    raised = [*_RAISED.finditer(trace)] if begun else []
    if not raised:
        return None
    # What follows is the rest of its message: the exception is the first line after the frames.
    last_frame = trace.rfind('\n  File "')
    error = next((match for match in raised if match.start() > last_frame), raised[-1])
    return _of_class(error[1].rpartition(".")[2], (error[2] or "").strip())


def _of_class(name: str, said: str) -> CurationError:
    line = f"{name}: {said}" if said else name
    if name in _FOR_PEOPLE:
        return InputDataError(said)
    if name.endswith(_MEMORY):
        return CurationError(_OUT_OF_MEMORY.format(line=line))
    if name == "ModuleNotFoundError":
        return CurationError(_NO_MODULE.format(line=line))
    return CurationError(f"a Python worker failed: {line}")
