"""Definitions of a job, a step of a pipeline or recipe, and a pipeline."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

from pyspark.sql import SparkSession

from spark_jobs.core.settings import S, Settings
from spark_jobs.storage.run import Counts, Run


@dataclass(frozen=True)
class Job(Generic[S]):
    """A job: `run` does the work and returns the counts for the summary and the table `runs`.

    `example`: a whole command line, as a user would type it, in one or several lines.
    `closing_lines` gives the lines for people at the end, on stderr. `arguments`: settings that
    the command line takes by position. `shared_folders`: settings whose folders this program and
    Spark's workers open as paths, so that both need one disk.
    """

    name: str
    summary: str
    settings: type[S]
    run: Callable[[Run, S], Counts]
    closing_lines: Callable[[SparkSession, S, Counts], list[str]] | None = None
    arguments: tuple[str, ...] = ()
    example: str = ""
    shared_folders: tuple[str, ...] = ()

    def shared_folders_of(self, settings: S) -> dict[str, str]:
        """Setting -> folder, of the shared folders that are set."""
        folders = {name: getattr(settings, name) for name in self.shared_folders}
        return {name: folder for name, folder in folders.items() if folder is not None}


@dataclass(frozen=True)
class Step:
    """A job with its settings, as a step of a pipeline or recipe.

    `name`: its name in the recipe. `position`: such as `[2/5]`. `depends_on`: names of the steps
    whose tables it reads. `dry_run`: only report whether it would run.
    """

    job: Job[Any]
    settings: Settings
    name: str | None = None
    position: str = ""
    depends_on: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def title(self) -> str:
        """The step in messages: `[2/5] matches (match-concepts)`."""
        name = self.job.name if self.name is None else f"{self.name} ({self.job.name})"
        return f"{self.position} {name}".strip()


def no_steps(_spark: SparkSession, _settings: Settings) -> Iterator[Step]:
    """The steps of a pipeline that only reads."""
    return iter(())


@dataclass(frozen=True)
class Pipeline(Generic[S]):
    """Several jobs as one command.

    `steps` is a generator: it yields the next step after the previous one has run, so that it may
    read what that one wrote. `closing_lines` gives the lines for people at the end, on stderr;
    `answer_lines` those that a user asked for, on stdout as they are: rows of tables are data, so
    what else could hold credentials is redacted by the pipeline.
    """

    name: str
    summary: str
    settings: type[S]
    steps: Callable[[SparkSession, S], Iterator[Step]] = no_steps
    closing_lines: Callable[[SparkSession, S], list[str]] | None = None
    answer_lines: Callable[[SparkSession, S], list[str]] | None = None
    arguments: tuple[str, ...] = ()
    example: str = ""
    shared_folders: tuple[str, ...] = ()


AnyJob: TypeAlias = Job[Any] | Pipeline[Any]
