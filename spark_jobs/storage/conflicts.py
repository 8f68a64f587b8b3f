"""Writes that Delta refuses because of another one at the same time, and their repetition."""

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
# Java's class or the error condition; which of them there is depends on the platform.
_KINDS = re.compile(r"(?:Delta)?Concurrent\w+Exception|(?:Protocol|Metadata)ChangedException")
_CONDITIONS = re.compile(
    r"DELTA_(?:CONCURRENT_\w+|PROTOCOL_CHANGED|METADATA_CHANGED|TABLE_ALREADY_EXISTS"
    r"|CREATE_TABLE_WITH_NON_EMPTY_LOCATION)(?:\..*)?|TABLE_OR_VIEW_ALREADY_EXISTS"
)


def conflict_name(fault: BaseException) -> str | None:
    """Delta's name of the conflict, by error condition or class; None for any other fault."""
    for cause in causes_of(fault):
        if _KINDS.fullmatch(cause.kind) or _CONDITIONS.fullmatch(cause.condition or ""):
            return cause.condition or cause.kind
    return None


def retry_on_conflict(write: Callable[[], X | None], table: Address) -> X:
    """What a write gives that is tried again where others wrote at the same time.

    `write` gives None where nothing of it is in the table. Raises OutputTableError after five
    tries.
    """
    conflict: str | None = None
    for attempt in range(MOST_TRIES):
        if attempt:
            time.sleep(_wait_s(attempt))
        try:
            written = write()
        except SPARK_FAULTS as fault:
            conflict = conflict_name(fault)
            if conflict is None:
                raise
        else:
            if written is not None:
                return written
    raise concurrent_write_error(table, conflict)


def concurrent_write_error(table: Address, conflict: str | None = None) -> OutputTableError:
    """The fault of a table that others keep changing."""
    why = f" ({conflict})" if conflict else ""
    return OutputTableError(
        f"output {redacted(str(table))}: other runs write there at the same time{why}; wait until "
        "they have ended and run this again, or give another output"
    )


def _wait_s(attempt: int) -> float:
    """Twice as long each time, and another time for each program, thread and try."""
    part = int.from_bytes(os.urandom(2), "big") / 65_536
    return float(_FIRST_WAIT_S * 2**attempt * (0.5 + part))
