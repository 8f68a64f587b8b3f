"""Run a job or a pipeline: session, up-to-date check, the work, the record, the summary."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from spark_jobs.errors import CurationError
from spark_jobs.job import Counts, Job, Pipeline, Run
from spark_jobs.runs import is_up_to_date, new_run, record_run
from spark_jobs.session import open_session
from spark_jobs.settings import S
from spark_jobs.spark_faults import in_one_line

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """What a command has done: the last line of its stdout, as JSON."""

    job: str
    status: str  # done, up_to_date
    run_id: str | None
    outputs: dict[str, str]
    counts: dict[str, Any]
    seconds: float
    report: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The summary without what a single job does not have."""
        return {key: value for key, value in asdict(self).items() if key != "steps" or value}


def execute(
    job: Job[S] | Pipeline[S], settings: S, *, force: bool = False, say: Callable[[str], None]
) -> Summary:
    """Do the work of a job or pipeline unless it is up to date; raise CurationError on a fault.

    `say` takes the lines that are for people.
    """
    try:
        spark = open_session()
        if isinstance(job, Pipeline):
            return _execute_pipeline(spark, job, settings, force, say)
        return execute_job(spark, job, settings, force=force, say=say)
    except (PySparkException, Py4JError) as fault:
        if "CAPTIONLAKE_DEBUG" in os.environ:
            raise
        raise in_one_line(fault) from fault


def execute_job(
    spark: SparkSession,
    job: Job[S],
    settings: S,
    *,
    force: bool = False,
    say: Callable[[str], None] = _log.info,
) -> Summary:
    """Run one job in a session, or find that its outputs are already those of this very run."""
    begun, started = time.monotonic(), datetime.now(UTC)
    run = new_run(spark, job, settings)
    counts = None if force else is_up_to_date(run, settings)
    status = "done" if counts is None else "up_to_date"
    if counts is None:
        say(f"{job.name} ...")
        counts = _work(run, job, settings)
        record_run(run, settings, counts, started)
    seconds = round(time.monotonic() - begun, 1)
    say(_line(job.name, status, counts, seconds))
    for line in job.closing(spark, settings, counts) if job.closing else []:
        say(line)
    return Summary(job.name, status, run.run_id, settings.addresses("output"), counts, seconds)


def _work(run: Run, job: Job[S], settings: S) -> Counts:
    _log.info("%s: run %s starts: %s", job.name, run.run_id, settings.model_dump_json())
    return job.run(run, settings)


def _execute_pipeline(
    spark: SparkSession,
    pipeline: Pipeline[S],
    settings: S,
    force: bool,
    say: Callable[[str], None],
) -> Summary:
    begun = time.monotonic()
    done = [
        execute_job(spark, step.job, step.settings, force=force, say=say)
        for step in pipeline.steps(spark, settings)
    ]
    for line in pipeline.closing(spark, settings) if pipeline.closing else []:
        say(line)
    is_fresh = not done or any(step.status == "done" for step in done)
    return Summary(
        job=pipeline.name,
        status="done" if is_fresh else "up_to_date",
        run_id=done[-1].run_id if done else None,
        outputs={f"{step.job}.{k}": v for step in done for k, v in step.outputs.items()},
        counts={step.job: step.counts for step in done},
        seconds=round(time.monotonic() - begun, 1),
        steps=[{"job": step.job, "status": step.status, "run_id": step.run_id} for step in done],
    )


def _line(job: str, status: str, counts: Counts, seconds: float) -> str:
    told = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())
    word = "up to date" if status == "up_to_date" else f"done in {seconds:.1f} s"
    return f"{job}: {word}: {told}"


def error_line(fault: CurationError) -> str:
    """What a fault says, without line breaks, however its cause was worded."""
    return " ".join(str(fault).split())
