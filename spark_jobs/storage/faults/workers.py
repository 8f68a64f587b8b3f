"""Errors for exceptions of Python workers, from the traceback in Spark's message."""

import re

from spark_jobs.core.errors import CurationError, InputDataError

_TRACE = "Traceback (most recent call last):"
# An unindented line of the traceback that names an exception: `module.Class: message`.
_RAISED = re.compile(r"^([A-Za-z_][\w.]*)(?:: (.*))?$", re.MULTILINE)
# Exceptions for faults of an input, whose message is meant for users as it is.
_INPUT_FAULTS = ("TaskInputError", "ModelError", "DamagedFileError")
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

_NO_CAPTIONLAKE = (
    "the workers' Python lacks captionlake ({line}); install it on every executor, or give "
    "spark-submit a copy of the wheel called captionlake.zip: --py-files captionlake.zip (PySpark "
    "passes no .whl on to workers)"
)
_OWN_MODULE = re.compile(r"No module named '(?:udfs|spark_jobs)\b")
_OTHER_PYTHON = (
    "the workers' Python is {worker}, that of the driver {driver}: Spark needs the same minor "
    "version in both; start with PYSPARK_PYTHON=python{driver}, a path that each executor has"
)
_VERSIONS = re.compile(r"version \((\d+), (\d+)\) than that in driver (\d+\.\d+)")


def worker_fault(text: str) -> CurationError | None:
    """The error for the last Python traceback in a message; None if it has none."""
    _, header, trace = text.rpartition(_TRACE)
    candidates = [*_RAISED.finditer(trace)] if header else []
    if not candidates:
        return None
    # The exception is the first such line after the frames; later ones belong to its message.
    last_frame = trace.rfind('\n  File "')
    raised = next((match for match in candidates if match.start() > last_frame), candidates[-1])
    return _error_of_class(raised[1].rpartition(".")[2], (raised[2] or "").strip())


def _error_of_class(name: str, message: str) -> CurationError:
    line = f"{name}: {message}" if message else name
    if name in _INPUT_FAULTS:
        return InputDataError(message)
    if name.endswith(_MEMORY):
        return CurationError(_OUT_OF_MEMORY.format(line=line))
    if name == "ModuleNotFoundError":
        text = _NO_CAPTIONLAKE if _OWN_MODULE.search(message) else _NO_MODULE
        return CurationError(text.format(line=line))
    if versions := _VERSIONS.search(message):
        worker = f"{versions[1]}.{versions[2]}"
        return CurationError(_OTHER_PYTHON.format(worker=worker, driver=versions[3]))
    return CurationError(f"a Python worker failed: {line}")
