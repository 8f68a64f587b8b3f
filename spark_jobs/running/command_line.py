"""The command line of one job: an option for each setting, and one line for a fault."""

import inspect
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, cast

import typer

from spark_jobs.core.errors import CurationError, FileError, InterruptedRunError
from spark_jobs.core.redaction import RedactingFormatter, redacted
from spark_jobs.core.settings import Settings, load_settings
from spark_jobs.running.job import AnyJob
from spark_jobs.running.launch import error_line, execute
from spark_jobs.running.option_help import type_and_default


def run_alone(job: AnyJob) -> None:
    """The command line of one job's own file: `spark-submit match_concepts.py --set ...`."""
    end_at_interrupts()
    typer.run(build_command(job))


def end_at_interrupts() -> None:
    """Have Ctrl-C end this program at once, also in the middle of a query of Spark's."""
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def build_command(job: AnyJob) -> Callable[..., None]:
    """The function behind a job's command: an option for each setting, then the common ones."""

    def body(**arguments: Any) -> None:
        config, overrides = arguments.pop("config"), arguments.pop("set_") or []
        force = arguments.pop("force")
        _set_up_logging()
        options = {name: text for name, text in arguments.items() if text is not None}
        run_command(job, config, overrides, options, force=force)

    parameters = [
        *(_argument(job.settings, name) for name in job.arguments),
        *(_option(job, name) for name in _options(job)),
        *_COMMON,
    ]
    body.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    body.__annotations__ = {p.name: p.annotation for p in parameters}
    body.__doc__ = job.summary
    return body


def run_command(
    job: AnyJob,
    config: Path | None,
    overrides: list[str],
    options: dict[str, str | bool],
    *,
    force: bool,
) -> None:
    """Run the job and print its summary; on a fault one line on stderr and the exit code."""
    try:
        settings = load_settings(job.settings, job.name, config, overrides, options)
        summary = execute(job, settings, force=force, say=say_on_stderr)
    except (CurationError, OSError, KeyboardInterrupt) as fault:
        if "CAPTIONLAKE_DEBUG" in os.environ:
            raise
        error = _error_of(fault)
        say_on_stderr(f"error: {error_line(error)}")
        failed = {"job": job.name, "status": "failed", "error": error_line(error)}
        typer.echo(json.dumps(failed))
        raise typer.Exit(error.exit_code) from None
    typer.echo(json.dumps(summary.as_dict()))


def _error_of(fault: CurationError | OSError | KeyboardInterrupt) -> CurationError:
    """What ended a run, in one line; Ctrl-C also where Spark gave its call another end."""
    behind: BaseException | None = fault
    while behind is not None:
        if isinstance(behind, KeyboardInterrupt):
            return InterruptedRunError("interrupted; the same command goes on with what is missing")
        behind = behind.__cause__ or behind.__context__
    return (
        FileError.from_os_error(fault) if isinstance(fault, OSError) else cast(CurationError, fault)
    )


def say_on_stderr(line: str) -> None:
    """Show a line to people, without credentials."""
    typer.echo(redacted(line), err=True)


def _set_up_logging() -> None:
    """Plain lines with a time; on a terminal only warnings, since Spark shows its own progress."""
    level = logging.WARNING if sys.stderr.isatty() else logging.INFO
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(form))
    handler.addFilter(lambda record: record.msg != "KeyboardInterrupt while sending command.")
    logging.basicConfig(handlers=[handler], level=level)
    # It logs the traces of what it raises, that of Ctrl-C by the root logger.
    logging.getLogger("py4j").setLevel(logging.CRITICAL)


def _argument(model: type[Settings], name: str) -> inspect.Parameter:
    help_ = model.model_fields[name].description
    annotation = Annotated[str | None, typer.Argument(help=help_, show_default=False)]
    return _parameter(name, annotation, None)


def _options(job: AnyJob) -> list[str]:
    """The settings that are options: the job's own first, the common ones at the end."""
    names = [name for name in job.settings.model_fields if name not in job.arguments]
    return sorted(names, key=lambda name: name in Settings.model_fields)


def _option(job: AnyJob, name: str) -> inspect.Parameter:
    field = job.settings.model_fields[name]
    flag = (field.alias or name).replace("_", "-")
    help_ = f"{field.description} {type_and_default(job.settings, job.name, name)}"
    if field.annotation is bool:
        switch = typer.Option(f"--{flag}/--no-{flag}", help=help_, show_default=False)
        return _parameter(name, Annotated[bool | None, switch], None)
    option = typer.Option(f"--{flag}", help=help_, show_default=False, metavar="VALUE")
    return _parameter(name, Annotated[str | None, option], None)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


_COMMON = [
    _parameter(
        "config",
        cast(Any, Annotated[Path | None, typer.Option(help="YAML file of settings.")]),
        None,
    ),
    _parameter(
        "set_",
        cast(
            Any,
            Annotated[
                list[str] | None,
                typer.Option("--set", help="key=value, over all else.", metavar="KEY=VALUE"),
            ],
        ),
        None,
    ),
    _parameter(
        "force",
        cast(Any, Annotated[bool, typer.Option("--force", help="Run even if up to date.")]),
        False,
    ),
]
