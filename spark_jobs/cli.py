"""The console script: `captionlake <job>`, `captionlake jobs` and `captionlake init`."""

from pathlib import Path
from typing import Annotated

import typer

from spark_jobs import __version__
from spark_jobs.core.errors import CurationError
from spark_jobs.running.command_line import build_command, end_at_interrupts, say_on_stderr
from spark_jobs.running.launch import error_line
from spark_jobs.running.methods import methods_markdown
from spark_jobs.running.recipes.starting import recipe_lines, write_recipe
from spark_jobs.running.registry import all_jobs


def main() -> None:
    """Run the console script."""
    end_at_interrupts()
    build_app()()


def build_app() -> typer.Typer:
    """Build the typer app with the commands of all jobs."""
    app = typer.Typer(
        name="captionlake",
        help="Curate image-text pairs for CLIP-like models. `captionlake jobs` lists the jobs.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for job in all_jobs().values():
        app.command(job.name, help=job.summary)(build_command(job))
    app.command("jobs", help="List the jobs, a line each.")(_list_jobs)
    app.command("methods", help="List published methods: paper, module, job and recipe.")(_methods)
    app.command("init", help="Write a recipe to start from; without a name, list them.")(_init)
    app.callback()(_version)
    return app


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
        raise typer.Exit(fault.exit_code) from None


def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
