"""Turn a signature into a function that runs the job of its name."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar, cast

from captionlake.errors import short_errors
from captionlake.results import Result
from captionlake.values import plain_value, with_dotted_keys
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.redaction import redacted

Function = TypeVar("Function", bound=Callable[..., Result])
_log = logging.getLogger("captionlake")


def job(signature: Function) -> Function:
    """Make a function with this signature that runs the job of the same name.

    Only arguments that the caller passes become settings; all others keep the job's defaults.
    Spark and the job are imported when the function is called.
    """
    name = signature.__name__
    n_by_position = signature.__code__.co_argcount
    by_position = signature.__code__.co_varnames[:n_by_position]
    first_by_name = signature.__code__.co_varnames[n_by_position]

    @functools.wraps(signature)
    def call(*values: Any, force: bool = False, quiet: bool = False, **settings: Any) -> Result:
        if len(values) > len(by_position):
            expected = f"{' and '.join(by_position)} alone" if by_position else "no setting"
            raise TypeError(
                f"{name}() takes {expected} by position: name the others, {first_by_name}=..."
            )
        for setting, value in zip(by_position, values, strict=False):
            if setting in settings:
                raise TypeError(f"{name}() got two values for {setting!r}")
            settings[setting] = value
        return run_job(name, settings, force=force, quiet=quiet)

    return cast(Function, call)


@short_errors
def run_job(name: str, values: Mapping[str, Any], *, force: bool, quiet: bool) -> Result:
    """Run a job, pipeline or recipe with these settings.

    Lines on its progress go to stderr, or with `quiet` to the logger `captionlake`.
    """
    from spark_jobs.core.settings import merge_over_base_settings, validate_settings
    from spark_jobs.running.launch import execute

    job = import_module(f"spark_jobs.jobs.{name}").JOB
    try:
        settings = {key: plain_value(key, value) for key, value in values.items()}
        if name == "run":
            settings = with_dotted_keys(settings)
        checked = validate_settings(
            job.settings, merge_over_base_settings(job.settings, job.name, settings)
        )
    except ValueError as fault:
        raise SettingsError(f"{job.name}: {fault}") from None
    say = _log_line if quiet else _write_line
    return Result.from_summary(execute(job, checked, force=force, say=say))


def _write_line(line: str) -> None:
    sys.stderr.write(f"{redacted(line)}\n")
    sys.stderr.flush()


def _log_line(line: str) -> None:
    _log.info("%s", redacted(line))
