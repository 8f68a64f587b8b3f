"""The command line: `captionlake <job>`, and each job's file alone under spark-submit."""

import inspect
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from spark_jobs import __version__
from spark_jobs.errors import CurationError, FileError, InterruptedRunError
from spark_jobs.launch import error_line, execute
from spark_jobs.option_help import type_and_default
from spark_jobs.recipes.starting import recipe_lines, write_recipe
from spark_jobs.redaction import RedactingFormatter, redacted
from spark_jobs.registry import AnyJob, all_jobs
from spark_jobs.settings import Settings, load_settings

_log = logging.getLogger(__name__)


def main() -> None:
    """The console script."""
    build_app()()


def build_app() -> typer.Typer:
    """The commands of all jobs."""
    app = typer.Typer(
        name="captionlake",
        help="Curate image-text pairs for CLIP-like models. `captionlake jobs` lists the jobs.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for job in all_jobs().values():
        app.command(job.name, help=job.summary)(command(job))
    app.command("jobs", help="List the jobs, a line each.")(_list_jobs)
    app.command("init", help="Write a recipe to start from; without a name, list them.")(_init)
    app.callback()(_version)
    return app


def run_alone(job: AnyJob) -> None:
    """The command line of one job's own file: `spark-submit match_concepts.py --set ...`."""
    typer.run(command(job))


def command(job: AnyJob) -> Callable[..., None]:
    """The function behind a job's command: an option for each setting, then the common ones."""

    def body(**arguments: Any) -> None:
        config, overrides = arguments.pop("config"), arguments.pop("set_") or []
        force = arguments.pop("force")
        _set_up_logging()
        options = {name: text for name, text in arguments.items() if text is not None}
        finish(job, config, overrides, options, force=force)

    parameters = [
        *(_argument(job.settings, name) for name in job.arguments),
        *(_option(job, name) for name in _options(job)),
        *_COMMON,
    ]
    body.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    body.__annotations__ = {p.name: p.annotation for p in parameters}
    body.__doc__ = job.summary
    return body


def finish(
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
        summary = execute(job, settings, force=force, say=_say)
    except (CurationError, OSError, KeyboardInterrupt) as fault:
        if "CAPTIONLAKE_DEBUG" in os.environ:
            raise
        error = _error_of(fault)
        _say(f"error: {error_line(error)}")
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
    return FileError.of(fault) if isinstance(fault, OSError) else cast(CurationError, fault)


def _say(line: str) -> None:
    typer.echo(redacted(line), err=True)


def _set_up_logging() -> None:
    """Plain lines with a time; on a terminal only warnings, since Spark shows its own progress."""
    level = logging.WARNING if sys.stderr.isatty() else logging.INFO
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(form))
    logging.basicConfig(handlers=[handler], level=level)
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # it logs the traces of what it raises


def _list_jobs(
    markdown: Annotated[bool, typer.Option("--markdown", help="As the README has it.")] = False,
) -> None:
    jobs = all_jobs()
    width = max(map(len, jobs))
    for line in ["| job | what it does |", "| --- | --- |"] if markdown else []:
        typer.echo(line)
    for job in jobs.values():
        row = f"| `{job.name}` | {job.summary} |"
        typer.echo(row if markdown else f"{job.name:<{width}}  {job.summary}")


def _init(
    recipe: Annotated[str | None, typer.Argument(help="its name", show_default=False)] = None,
    output: Annotated[Path | None, typer.Option(help="the file; default: NAME.yml here")] = None,
) -> None:
    try:
        for line in [write_recipe(recipe, output)] if recipe else recipe_lines():
            typer.echo(line)
    except CurationError as fault:
        _say(f"error: {error_line(fault)}")
        raise typer.Exit(fault.exit_code) from None


def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


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
