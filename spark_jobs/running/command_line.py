"""The command line of a job: an option per setting, a summary or a one-line error as result."""

import inspect
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import Annotated, Any, NoReturn, cast

import typer

from spark_jobs.core.errors import CurationError, FileError, InterruptedRunError
from spark_jobs.core.redaction import RedactingFormatter, redacted
from spark_jobs.core.settings import Settings, load_settings
from spark_jobs.running.job import AnyJob, Pipeline
from spark_jobs.running.launch import error_line, execute
from spark_jobs.running.option_help import short_flags, type_and_default
from spark_jobs.running.result_lines import result_lines


def run_alone(job: AnyJob) -> None:
    """Run the command line of one job's own file: `spark-submit match_concepts.py --set ...`."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(build_command(job))
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Run a command line as this program's; return if it succeeds, raise SystemExit if it fails.

    The wheel tasks of Databricks call the console script as a function, and fail at any SystemExit,
    that of exit code 0 too.
    """
    end_at_interrupts()
    try:
        app()
    except SystemExit as end:
        if end.code:
            raise


def exit_with(code: int, message: str) -> SystemExit:
    """A SystemExit with this exit code, whose text is the message; a shell does not print it."""
    end = SystemExit(message)
    end.code = code
    return end


def end_at_interrupts() -> None:
    """Make Ctrl-C end this program at once, even during a Spark query.

    In a thread other than the main one nothing can be set: interrupts are then its owner's.
    """
    if current_thread() is main_thread():
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def build_command(job: AnyJob) -> Callable[..., None]:
    """Build the typer command of a job: an option per setting, then the common options."""

    def body(**arguments: Any) -> None:
        config, overrides = arguments.pop("config"), arguments.pop("set_") or []
        force, as_json = arguments.pop("force"), arguments.pop("as_json")
        _set_up_logging(logging.INFO if arguments.pop("verbose") else logging.WARNING)
        options = {name: text for name, text in arguments.items() if text is not None}
        run_command(job, config, overrides, options, force=force, as_json=as_json)

    parameters = [
        *(_argument(job.settings, name) for name in job.arguments),
        *(_option(job, name) for name in _options(job)),
        *_COMMON,
    ]
    body.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    body.__annotations__ = {p.name: p.annotation for p in parameters}
    body.__doc__ = help_text(job)
    return body


def help_text(job: AnyJob) -> str:
    """The summary and the example, whose lines a backspace keeps apart."""
    lines = "\n".join(f"  {line}" for line in job.example.split("\n"))
    return f"{job.summary}\n\n\b\nExample:\n{lines}"


def run_command(
    job: AnyJob,
    config: Path | None,
    overrides: list[str],
    options: dict[str, str | bool],
    *,
    force: bool = False,
    as_json: bool = False,
) -> None:
    """Run the job and print its answer and its summary; a fault is one line and an exit code.

    Lines for people go to stderr. The summary as JSON is the last line of stdout: with `as_json`,
    and where stdout is no terminal and the job has no answer of its own to print there.
    """
    has_answer = isinstance(job, Pipeline) and job.answer_lines is not None
    prints_json = as_json or not (has_answer or is_terminal())
    try:
        settings = load_settings(job.settings, job.name, config, overrides, options)
        summary = execute(job, settings, force=force, say=say_on_stderr)
    except (CurationError, OSError, KeyboardInterrupt) as fault:
        if "CAPTIONLAKE_DEBUG" in os.environ:
            raise
        error = _error_of(fault)
        say_on_stderr(f"error: {error_line(error)}")
        if prints_json:
            failure = {"job": job.name, "status": "failed", "error": error_line(error)}
            typer.echo(json.dumps(failure))
        raise exit_with(error.exit_code, f"error: {error_line(error)}") from None
    for line in result_lines(summary):
        say_on_stderr(line)
    if prints_json:
        typer.echo(json.dumps(summary.as_dict()))
    else:
        for line in summary.answer:
            typer.echo(line)


def _error_of(fault: CurationError | OSError | KeyboardInterrupt) -> CurationError:
    """The fault as a CurationError; a KeyboardInterrupt anywhere in its chain counts as Ctrl-C."""
    cause: BaseException | None = fault
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return InterruptedRunError("interrupted; the same command goes on with what is missing")
        cause = cause.__cause__ or cause.__context__
    return (
        FileError.from_os_error(fault) if isinstance(fault, OSError) else cast(CurationError, fault)
    )


def is_terminal() -> bool:
    """Whether a person, not a program, reads stdout."""
    return sys.stdout.isatty()


def say_on_stderr(line: str) -> None:
    """Print a line for the user on stderr, redacted."""
    typer.echo(redacted(line), err=True)


def _set_up_logging(level: int) -> None:
    """Log lines with a time to stderr."""
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(form))
    handler.addFilter(lambda record: record.msg != "KeyboardInterrupt while sending command.")
    logging.basicConfig(handlers=[handler], level=level)
    # py4j logs tracebacks of the errors that it raises, that of Ctrl-C through the root logger.
    logging.getLogger("py4j").setLevel(logging.CRITICAL)


def _argument(model: type[Settings], name: str) -> inspect.Parameter:
    help_ = model.model_fields[name].description
    annotation = Annotated[str | None, typer.Argument(help=help_, show_default=False)]
    return _parameter(name, annotation, None)


def _options(job: AnyJob) -> list[str]:
    """The settings that are options: the job's own first, then those of all jobs."""
    names = [name for name in job.settings.model_fields if name not in job.arguments]
    return sorted(names, key=lambda name: name in Settings.model_fields)


def _option(job: AnyJob, name: str) -> inspect.Parameter:
    field = job.settings.model_fields[name]
    flag = (field.alias or name).replace("_", "-")
    help_ = f"{field.description} {type_and_default(job.settings, job.name, name)}"
    if field.annotation is bool:
        switch = typer.Option(f"--{flag}/--no-{flag}", help=help_, show_default=False)
        return _parameter(name, Annotated[bool | None, switch], None)
    flags = [f"--{flag}", *short_flags(field)]
    option = typer.Option(*flags, help=help_, show_default=False, metavar="VALUE")
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
                typer.Option(
                    "--set",
                    help="key=value, or a map {key: value}, over all else.",
                    metavar="KEY=VALUE",
                ),
            ],
        ),
        None,
    ),
    _parameter(
        "force",
        cast(Any, Annotated[bool, typer.Option("--force", help="Run even if up to date.")]),
        False,
    ),
    _parameter(
        "as_json",
        cast(
            Any,
            Annotated[
                bool,
                typer.Option(
                    "--json",
                    help="Print the summary as a line of JSON, as is done where stdout is no "
                    "terminal.",
                ),
            ],
        ),
        False,
    ),
    _parameter(
        "verbose",
        cast(Any, Annotated[bool, typer.Option("--verbose", "-v", help="Show INFO logs.")]),
        False,
    ),
]
