"""The command line as tests run it: its 60 commands are built once, not for each command again."""

import functools

import typer
import typer.testing

from spark_jobs.cli import build_app

# Of the two tenths of a second that a command cost in tests, one was this.
typer.testing._get_command = functools.cache(typer.testing._get_command)


@functools.cache
def app() -> typer.Typer:
    """The app with the commands of all jobs."""
    return build_app()
