"""Run a job or pipeline: session, up-to-date check, the job itself, run record, summary."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from spark_jobs.core.count_words import counts_text
from spark_jobs.core.errors import CurationError, UnwritableOutputError
from spark_jobs.core.redaction import redacted, redacted_names, with_short_values
from spark_jobs.core.settings import S, Settings
from spark_jobs.running.job import Job, Pipeline, Step
from spark_jobs.running.up_to_date import (
    new_run,
    record_run,
    recorded_settings,
    up_to_date_record,
    why_not_up_to_date,
)
from spark_jobs.storage.faults.spark import SPARK_FAULTS, to_curation_error
from spark_jobs.storage.lazy_session import lazy_session
from spark_jobs.storage.outputs.checks import check_all_outputs
from spark_jobs.storage.outputs.claims import Claims
from spark_jobs.storage.outputs.writers import WRITER, folders_to_claim
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.session import reads_local_paths
from spark_jobs.storage.shared_disk import outputs_on_disks, refuse_separate_disks
from spark_jobs.storage.stores import open_stores

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """The result of a command, printed as JSON in the last line of stdout."""

    job: str
    status: str  # done, up_to_date, would_run
    run_id: str | None
    outputs: dict[str, str]
    counts: dict[str, Any]
    seconds: float
    report: str | None = None
    name: str | None = None  # of the step of a recipe
    steps: list[dict[str, Any]] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)  # lines that the user asked for
    versions: dict[str, str] = field(default_factory=dict)  # output -> the version written; tables

    @property
    def title(self) -> str:
        """The step's key in the summary of a pipeline: its name, else its job."""
        return self.name or self.job

    def as_step(self) -> dict[str, Any]:
        """The entry in the `steps` of a pipeline's summary."""
        name = {} if self.name is None else {"name": self.name}
        return name | {"job": self.job, "status": self.status, "run_id": self.run_id}

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON: redacted, and without the empty fields of a single job."""
        outputs = {name: redacted(address) for name, address in self.outputs.items()}
        report = None if self.report is None else redacted(self.report)
        fields = asdict(replace(self, outputs=outputs, report=report, versions={}))
        left_out_if_empty = {"steps", "name", "answer", "versions"}
        return {k: v for k, v in fields.items() if k not in left_out_if_empty or v}


def execute(
    job: Job[S] | Pipeline[S], settings: S, *, force: bool = False, say: Callable[[str], None]
) -> Summary:
    """Run a job or pipeline unless it is up to date; raise CurationError on a fault.

    `say` prints a line for the user.
    """
    if reads_local_paths():
        settings.look_ahead()
    try:
        spark = lazy_session()
        with WRITER.run():
            if isinstance(job, Pipeline):
                return _execute_pipeline(spark, job, settings, force, say)
            return execute_step(spark, Step(job, settings), force=force, say=say)
    except SPARK_FAULTS as fault:
        if "CAPTIONLAKE_DEBUG" in os.environ:
            raise
        raise to_curation_error(fault) from fault


def execute_step(
    spark: SparkSession,
    step: Step,
    earlier: Sequence[Summary] | None = None,
    *,
    claims: Claims | None = None,
    force: bool,
    say: Callable[[str], None],
) -> Summary:
    """Run one job, unless its outputs are already those of an identical run.

    `earlier`: summaries of the pipeline's steps before this one; it is then also said why the step
    runs. `claims`: the pipeline's, to which the step's tables are added. Errors contain the name of
    a step that has one.
    """
    job, settings = step.job, step.settings
    start_s, started = time.monotonic(), datetime.now(UTC)
    try:
        run = new_run(spark, job, settings)
        for address in run.undetermined_inputs:
            say(f"{step.title}: which rows {address} has cannot be told: never up to date")
        record = None if force else up_to_date_record(run, settings)
        counts = {} if record is None else record.counts
        status = "done" if record is None else "up_to_date"
        if claims is not None:
            claims.claim(settings, writes=record is None)
        if record is None:
            why = "" if earlier is None else f" {_reason(run, settings, earlier, force)}"
            say(f"{step.title} ...{why}")
            _log.info("%s: run %s starts: %s", job.name, run.run_id, recorded_settings(settings))
            if not reads_local_paths():
                refuse_separate_disks(spark, _folders_on_one_disk(run, job, settings))
            WRITER.claim(folders_to_claim(spark, settings))
            check_all_outputs(spark, settings)
            counts = job.run(run, settings)
            record_run(run, settings, counts, started)
    except (CurationError, *SPARK_FAULTS) as fault:
        if step.name is None:
            raise
        raise _error_of_step(step, fault) from fault
    seconds = round(time.monotonic() - start_s, 1)
    say(_summary_line(step.title, status, counts, seconds))
    for line in job.closing_lines(spark, settings, counts) if job.closing_lines else []:
        say(line)
    files, tables = settings.addresses("file"), settings.addresses("output")
    written = run.written if record is None else record.written
    return Summary(
        job=job.name,
        status=status,
        run_id=run.run_id,
        outputs=tables | files,
        counts=counts,
        seconds=seconds,
        report=files.get("output") if job.name == "report" else None,
        name=step.name,
        versions=_versions_written(tables, written),
    )


def _folders_on_one_disk(run: Run, job: Job[S], settings: S) -> dict[str, str]:
    """Setting -> folder, of those that this program, or Spark's, and the workers open as paths."""
    shared = job.shared_folders_of(settings).items()
    files = {name: at for name, at in shared if at not in run.inputs or not run.reads_table(at)}
    return {**files, **outputs_on_disks(run.spark, settings)}


def _versions_written(tables: Mapping[str, str], written: Mapping[str, str]) -> dict[str, str]:
    """Output -> version, of the tables that the run `written` is of has written.

    `written`: address -> version, of this run or as an earlier one recorded it, redacted.
    """
    version_of = redacted_names(written)
    return {k: version_of[redacted(a)] for k, a in tables.items() if redacted(a) in version_of}


def _reason(run: Run, settings: Settings, earlier: Sequence[Summary], force: bool) -> str:
    if force:
        return "forced"
    writers = {
        address: summary.title
        for summary in earlier
        if summary.status == "done"
        for address in summary.outputs.values()
    }
    return why_not_up_to_date(run, settings, writers)


def _error_of_step(step: Step, fault: Exception) -> CurationError:
    """The fault as a CurationError of the same class, with the step's name in front."""
    error = fault if isinstance(fault, CurationError) else to_curation_error(fault)
    return type(error)(f"step {step.name}: {error}")


def dry_run_step(
    spark: SparkSession,
    step: Step,
    earlier: list[Summary],
    *,
    force: bool,
    say: Callable[[str], None],
) -> Summary:
    """Say whether the step would run, and why; `earlier`: summaries of the steps before it."""
    outdated = [s.name for s in earlier if s.status == "would_run" and s.name in step.depends_on]
    run_id, reason = None, f"after {', '.join(map(str, outdated))}"
    if not outdated:
        try:
            run = new_run(spark, step.job, step.settings)
        except CurationError as fault:
            raise _error_of_step(step, fault) from fault
        is_done = not force and up_to_date_record(run, step.settings) is not None
        reason = "" if is_done else _reason(run, step.settings, earlier, force)
        run_id = run.run_id
    status = "would_run" if reason else "up_to_date"
    say(f"{step.title}: would run: {reason}" if reason else f"{step.title}: up to date")
    outputs = step.settings.addresses("output") | step.settings.addresses("file")
    return Summary(step.job.name, status, run_id, outputs, {}, 0.0, name=step.name)


def _execute_pipeline(
    spark: SparkSession,
    pipeline: Pipeline[S],
    settings: S,
    force: bool,
    say: Callable[[str], None],
) -> Summary:
    start_s = time.monotonic()
    open_stores(spark, settings)  # those of steps: see new_run
    with Claims(pipeline.name) as claims:
        summaries = _run_steps(spark, pipeline.steps(spark, settings), claims, force, say)
    for line in pipeline.closing_lines(spark, settings) if pipeline.closing_lines else []:
        say(line)
    outdated = [step.status for step in summaries if step.status != "up_to_date"]
    status = outdated[0] if outdated else "up_to_date" if summaries else "done"
    return Summary(
        job=pipeline.name,
        status=status,
        run_id=summaries[-1].run_id if summaries else None,
        outputs={f"{step.title}.{k}": v for step in summaries for k, v in step.outputs.items()},
        versions={f"{step.title}.{k}": v for step in summaries for k, v in step.versions.items()},
        counts={step.title: step.counts for step in summaries},
        seconds=round(time.monotonic() - start_s, 1),
        report=next((step.report for step in reversed(summaries) if step.report), None),
        steps=[step.as_step() for step in summaries],
        answer=pipeline.answer_lines(spark, settings) if pipeline.answer_lines else [],
    )


def _run_steps(
    spark: SparkSession,
    steps: Iterable[Step],
    claims: Claims,
    force: bool,
    say: Callable[[str], None],
) -> list[Summary]:
    """Summaries of the steps, whose tables are claimed one step after the other."""
    summaries: list[Summary] = []
    for step in steps:
        if step.dry_run:
            summaries.append(dry_run_step(spark, step, summaries, force=force, say=say))
            continue
        try:
            summary = execute_step(spark, step, summaries, claims=claims, force=force, say=say)
            summaries.append(summary)
        except UnwritableOutputError as fault:
            if not step.settings.is_extra:
                raise
            say(f"warning: {error_line(fault)}; all else is done")
    return summaries


def _summary_line(job: str, status: str, counts: Counts, seconds: float) -> str:
    word = "up to date" if status == "up_to_date" else f"done in {seconds:.1f} s"
    return f"{job}: {word}: {counts_text(counts)}"


def error_line(fault: CurationError) -> str:
    """The fault's message on one line, redacted, with values cut to 80 characters."""
    return with_short_values(redacted(" ".join(str(fault).split())))
