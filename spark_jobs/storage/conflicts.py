"""Concurrent writes: recognising the conflicts that Delta reports, and retrying."""

import os
import re
import time
from collections.abc import Callable
from typing import TypeVar

from spark_jobs.core.addresses import Address
from spark_jobs.core.errors import OutputTableError
from spark_jobs.core.redaction import redacted
from spark_jobs.storage.faults.causes import causes_of
from spark_jobs.storage.faults.spark import SPARK_FAULTS

X = TypeVar("X")

MOST_TRIES = 5
_FIRST_WAIT_S = 0.2
# Java class names and error conditions; which of the two is available depends on the platform.
_CLASSES = re.compile(r"(?:Delta)?Concurrent\w+Exception|(?:Protocol|Metadata)ChangedException")
_CONDITIONS = re.compile(
    r"DELTA_(?:CONCURRENT_\w+|PROTOCOL_CHANGED|METADATA_CHANGED|TABLE_ALREADY_EXISTS"
    r"|CREATE_TABLE_WITH_NON_EMPTY_LOCATION)(?:\..*)?|TABLE_OR_VIEW_ALREADY_EXISTS"
)


def conflict_name(fault: BaseException) -> str | None:
    """Delta's name for a write conflict, its condition or class; None for any other fault."""
    for cause in causes_of(fault):
        if _CLASSES.fullmatch(cause.class_name) or _CONDITIONS.fullmatch(cause.condition or ""):
            return cause.condition or cause.class_name
    return None


def retry_on_conflict(write: Callable[[], X | None], table: Address) -> X:
    """Call `write`, again as long as concurrent writers get in its way, and return its result.

    `write` returns None if nothing of it got into the table. Raises OutputTableError after
    MOST_TRIES tries.
    """
    conflict: str | None = None
    for attempt in range(MOST_TRIES):
        if attempt:
            time.sleep(_wait_s(attempt))
        try:
            result = write()
        except SPARK_FAULTS as fault:
            conflict = conflict_name(fault)
            if conflict is None:
                raise
        else:
            if result is not None:
                return result
    raise concurrent_write_error(table, conflict)


def concurrent_write_error(table: Address, conflict: str | None = None) -> OutputTableError:
    """The error for a table that other runs keep changing."""
    detail = f" ({conflict})" if conflict else ""
    return OutputTableError(
        f"output {redacted(str(table))}: other runs write there at the same time{detail}; wait "
        "until they have ended and run this again, or give another output"
    )


def _wait_s(attempt: int) -> float:
    """Exponential backoff with jitter, different in each process, thread and try."""
    jitter = int.from_bytes(os.urandom(2), "big") / 65_536
    return float(_FIRST_WAIT_S * 2**attempt * (0.5 + jitter))
