"""Spark's exceptions put into one line that names the file and the cause."""

import re
from collections.abc import Callable

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException

from spark_jobs.errors import CurationError, InputDataError

# ConnectionError: what py4j raises once the JVM is gone.
SPARK_FAULTS = (PySparkException, Py4JError, ConnectionError)

# What stands in a message -> the error, made from the match; the first that fits.
_PATTERNS: list[tuple[str, Callable[[re.Match[str]], CurationError]]] = [
    (
        r"RuntimeException: (\S+) is not a Parquet file",
        lambda m: InputDataError(f"{m[1]}: cannot be read, it is corrupt or no parquet file"),
    ),
    (
        r"(?:Could not read footer for file:?|Encountered error while reading file|"
        r"Error while reading file|Cannot read file at path:?)\s+(?:FileStatus\{path=)?"
        r"([^\s;,}]+)",
        lambda m: InputDataError(f"{m[1].rstrip('.')}: cannot be read, it is corrupt"),
    ),
    (
        r"\[PATH_NOT_FOUND\] Path does not exist: (\S+?)\.?\s",
        lambda m: InputDataError(f"{m[1]}: does not exist"),
    ),
    (
        r"ValueError: (\S+: is no JSON list \(.*?\))\n",
        lambda m: InputDataError(m[1]),
    ),
    (
        r"udfs\.task_errors\.TaskInputError: (.*)\n",
        lambda m: InputDataError(m[1]),
    ),
    (
        r"udfs\.models\.spec\.ModelError: (.*)\n",
        lambda m: InputDataError(m[1]),
    ),
    (
        r"Unable to infer schema for (\w+)",
        lambda m: InputDataError(f"the input holds no {m[1].lower()} file with columns"),
    ),
    (
        r"File (\S+) does not exist",
        lambda m: InputDataError(f"{m[1]}: went away while it was being read"),
    ),
    (
        r"(Concurrent\w+Exception|ProtocolChangedException|MetadataChangedException)",
        lambda m: CurationError(f"another run changed the output at the same time ({m[1]})"),
    ),
    (
        r"No space left on device",
        lambda m: CurationError("no space left on the disk of the output or of spark.local.dir"),
    ),
]


def in_one_line(fault: BaseException) -> CurationError:
    """The CurationError that says what `fault` means for a user; the fault stays its cause."""
    if isinstance(fault, Py4JNetworkError | ConnectionError):
        return CurationError(
            "Spark's Java process ended; where it says OutOfMemoryError above, give it more: "
            "SPARK_DRIVER_MEMORY=8g in local mode (4g is usual), --driver-memory of spark-submit"
        )
    message = f"{fault}\n"
    for pattern, error in _PATTERNS:
        found = re.search(pattern, message)
        if found:
            return error(found)
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    first = lines[0] if lines else type(fault).__name__
    return CurationError(f"{first} (CAPTIONLAKE_DEBUG=1 shows the whole trace)")
