"""What a job is: a name, its settings, and a function from tables to tables."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

from pyspark.sql import SparkSession

from spark_jobs.core.settings import S, Settings
from spark_jobs.storage.run import Counts, Run


@dataclass(frozen=True)
class Job(Generic[S]):
    """A job: `run` does the work and gives the counts for people and for the `runs` table.

    `closing_lines` gives the lines shown at the end. `arguments`: settings that
    the command line also takes by position.
    """

    name: str
    summary: str
    settings: type[S]
    run: Callable[[Run, S], Counts]
    closing_lines: Callable[[SparkSession, S, Counts], list[str]] | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """A job with its settings, as part of a larger one.

    `name`: what a recipe calls it, `place`: which of how many it is. `needs`: the names of steps
    whose tables it reads. With `rehearse` it is only told what it would do.
    """

    job: Job[Any]
    settings: Settings
    name: str | None = None
    position: str = ""
    depends_on: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def title(self) -> str:
        """How people read of it: `[2/5] matches (match-concepts)`."""
        named = self.job.name if self.name is None else f"{self.name} ({self.job.name})"
        return f"{self.position} {named}".strip()


@dataclass(frozen=True)
class Pipeline(Generic[S]):
    """Several jobs as one command.

    `steps` is asked for the next step only after the one before has run, so that it may look at
    what that wrote. `closing_lines` gives the lines to show at the end.
    """

    name: str
    summary: str
    settings: type[S]
    steps: Callable[[SparkSession, S], Iterator[Step]]
    closing_lines: Callable[[SparkSession, S], list[str]] | None = None
    arguments: tuple[str, ...] = ()


AnyJob: TypeAlias = Job[Any] | Pipeline[Any]
