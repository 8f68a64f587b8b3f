"""Faults as people are to read them: one line, without what a credential could stand in."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from spark_jobs.core.errors import CurationError, FileError

P = ParamSpec("P")
R = TypeVar("R")


def short_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Raise faults of the function as CurationErrors with a redacted line and a short traceback.

    With the environment variable CAPTIONLAKE_DEBUG they keep their traceback.
    """

    @functools.wraps(function)
    def call(*arguments: P.args, **settings: P.kwargs) -> R:
        try:
            return function(*arguments, **settings)
        except Exception as fault:
            if "CAPTIONLAKE_DEBUG" in os.environ:
                raise
            error = _curation_error(fault)
            if error is None:
                raise
        raise error

    return call


def _curation_error(fault: Exception) -> CurationError | None:
    """The fault with its line for people; None if it is no fault of a run."""
    from spark_jobs.running.launch import error_line
    from spark_jobs.storage.faults.spark import SPARK_FAULTS, to_curation_error

    if isinstance(fault, OSError):
        fault = FileError.from_os_error(fault)
    elif isinstance(fault, SPARK_FAULTS):
        fault = to_curation_error(fault)
    return type(fault)(error_line(fault)) if isinstance(fault, CurationError) else None
