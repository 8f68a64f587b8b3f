"""The console script: `captionlake <job>`, `captionlake jobs` and `captionlake init`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from spark_jobs import __version__
from spark_jobs.core.errors import CurationError
from spark_jobs.running.command_line import build_command, exit_with, run_app, say_on_stderr
from spark_jobs.running.jobs_page import NEEDS_ONE_DISK, jobs_markdown
from spark_jobs.running.launch import error_line
from spark_jobs.running.methods import methods_markdown
from spark_jobs.running.recipes.starting import recipe_lines, write_recipe
from spark_jobs.running.registry import TOPICS, all_jobs


def main() -> None:
    """Run the console script; return if it succeeds, raise SystemExit if it fails."""
    run_app(build_app())


_COMMANDS = {
    "init": "Write a recipe to start from; without a name, list the recipes.",
    "jobs": "List the commands by topic.",
    "methods": "List published methods: paper, module, job and recipe.",
}


class CommandsByTopic(TyperGroup):
    """The console script, whose help lists the commands by topic."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section per topic."""
        summaries = _summaries()
        width = max(map(len, summaries))
        for topic, names in TOPICS.items():
            with formatter.section(topic.capitalize()):
                formatter.write_dl([(f"{name:<{width}}", summaries[name]) for name in names])


def build_app() -> typer.Typer:
    """Build the typer app with the commands of all jobs."""
    app = typer.Typer(
        name="captionlake",
        cls=CommandsByTopic,
        help="Curate image-text pairs for CLIP-like models. `captionlake JOB --help` has a job's "
        "settings and an example.\n\nTables and files are named by their path, or as "
        "catalog.schema.table: `shards`, `./shards` and `shards/` are one folder of the current "
        "directory, while words with a dot between them are a table of a catalog.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name, job in all_jobs().items():
        app.command(name)(build_command(job))
    own: dict[str, Callable[..., None]] = {"init": _init, "jobs": _list_jobs, "methods": _methods}
    for name, command in own.items():
        app.command(name, help=_COMMANDS[name])(command)
    app.callback(invoke_without_command=True)(_version)
    return app


def _summaries() -> dict[str, str]:
    """Command -> what it does, in the order of the topics."""
    summaries = _COMMANDS | {name: job.summary for name, job in all_jobs().items()}
    return {name: summaries[name] for names in TOPICS.values() for name in names}


def _list_jobs(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/jobs.md.")] = False,
) -> None:
    if markdown:
        typer.echo(jobs_markdown())
        return
    summaries = _summaries()
    width = max(map(len, summaries))
    jobs = all_jobs()
    for topic, names in TOPICS.items():
        typer.echo(f"{topic.capitalize()}:")
        for name in names:
            mark = "*" if name in jobs and jobs[name].shared_folders else " "
            typer.echo(f" {mark}{name:<{width}}  {summaries[name]}")
    typer.echo(f" * {NEEDS_ONE_DISK}")


def _methods() -> None:
    typer.echo(methods_markdown())


def _init(
    recipe: Annotated[str | None, typer.Argument(help="its name", show_default=False)] = None,
    output: Annotated[Path | None, typer.Option(help="the file; default: NAME.yml here")] = None,
) -> None:
    try:
        for line in [write_recipe(recipe, output)] if recipe else recipe_lines():
            typer.echo(line)
    except CurationError as fault:
        say_on_stderr(f"error: {error_line(fault)}")
        raise exit_with(fault.exit_code, f"error: {error_line(fault)}") from None


def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
