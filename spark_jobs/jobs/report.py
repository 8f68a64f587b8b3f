"""report: one HTML page that shows what the runs behind a table did."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from pyspark.sql import SparkSession

from spark_jobs.core.addresses import join_address, parse_address, parse_parent, table_name
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.run_records import RunRecord, runs_behind
from spark_jobs.core.settings import InputAddress, OutputFile, RoleName, Settings
from spark_jobs.formats.report_tables import (
    balanced_examples,
    class_counts,
    duplicate_examples,
    entry_counts,
    matches_after_balancing,
    matches_before_balancing,
    matches_per_caption,
    matches_written,
    rejected_examples,
    similarity_plan,
)
from spark_jobs.report.blocks import Block, Examples, Figure, Note, Section
from spark_jobs.report.captions import matches_blocks
from spark_jobs.report.classes import class_blocks
from spark_jobs.report.entries import entry_pictures, entry_tables
from spark_jobs.report.funnel import funnel_section, key_figures
from spark_jobs.report.page import Page, render
from spark_jobs.report.run_tables import runs_section
from spark_jobs.report.similarities import similarity_pictures
from spark_jobs.running.job import Job
from spark_jobs.running.recipes.planning import PlannedStep, plan_steps
from spark_jobs.running.recipes.reading import read_recipe
from spark_jobs.running.up_to_date import recorded_runs
from spark_jobs.storage.old_versions import default_if_lost
from spark_jobs.storage.outputs.files import write_output_file
from spark_jobs.storage.run import Counts, Run

NO_COUNTS = "No run here counts the captions of entries, or none matched: there are no pictures."
LOST = (
    "Left out: a version of a table that this run read or wrote is no longer there (VACUUM, or a "
    "table made again). The counts in the other sections were recorded by the run."
)
_PLAN_THRESHOLD = "plan-threshold"
_MATCH_AND_BALANCE = "match-and-balance"
_BALANCING_JOBS = ("balance-captions", _MATCH_AND_BALANCE)
_SUBSET_JOBS = ("sample-subset", "match-frequencies")
ENTRIES_NOTE = "Below a caption its entries, each with the number of captions that it occurs in."


class Report(Settings):
    """Settings of report."""

    mutually_exclusive: ClassVar[tuple[str, ...]] = ("table", "run", "recipe")

    table: InputAddress | None = Field(None, description="a table: the runs that led to it")
    run: str | None = Field(
        None, description="folder or catalog.schema with the table runs: its newest run"
    )
    run_id: str | None = Field(None, description="with run: this one in place of the newest")
    recipe: str | None = Field(None, description="a recipe that has run: all its steps")
    variables: dict[str, Any] = Field(
        default_factory=dict, description="with recipe: what `run` was given by --set"
    )
    output: OutputFile | None = Field(
        None, description="the HTML file; default: report.html beside the table runs"
    )

    @model_validator(mode="after")
    def _has_a_file(self) -> Self:
        if self.output is None and "/" not in self.workspace_address():
            raise ValueError(
                f"{self.workspace_address()} holds only tables: give a file, --output FILE"
            )
        return self

    def addresses(self, role: RoleName) -> dict[str, str]:
        """The addresses of all settings, and as inputs the runs or the outputs of the recipe."""
        if role == "file":
            return {"output": self.output or f"{self.workspace_address()}/report.html"}
        if role != "input" or self.table is not None:
            return super().addresses(role)
        if self.run is not None:
            return {"run": join_address(self.workspace_address(), "runs")}
        return {
            f"{step.name}.{key}": address
            for step in self._steps()
            for key, address in step.settings.addresses("output").items()
        }

    def workspace_address(self) -> str:
        """The workspace whose table `runs` has the runs of the table, run or recipe."""
        if self.workspace is not None:
            return self.workspace
        if self.recipe is not None:
            return self._steps()[0].settings.workspace_address()
        return parse_address(self.table).parent() if self.table else parse_parent(str(self.run))

    def _steps(self) -> list[PlannedStep]:
        return plan_steps(read_recipe(str(self.recipe)), self.variables)


def run(run: Run, settings: Report) -> Counts:
    """Find the runs, read their outputs, and write the page."""
    runs = _reported_runs(run.spark, settings, run.workspace)
    sections = [
        funnel_section(runs),
        *_entries_sections(run.spark, runs),
        *_similarity_sections(run.spark, runs),
        *_class_sections(run.spark, runs),
        *_examples_section(run.spark, runs, run.workspace),
        runs_section(runs),
    ]
    last = runs[-1]
    address = last.outputs.get("output") or next(iter(last.outputs.values()))
    title = address.rpartition("/")[2] if "/" in address else address
    subtitle = f"{address}: {last.job}, run {last.run_id}, {last.started:%Y-%m-%d %H:%M} UTC"
    content = render(Page(title, subtitle, key_figures(runs), sections))
    write_output_file(settings.addresses("file")["output"], [content])
    pictures = [b for section in sections for b in section.blocks if isinstance(b, Figure)]
    return {"runs": len(runs), "pictures": len(pictures)}


def closing_lines(spark: SparkSession, settings: Report, counts: Counts) -> list[str]:
    """The file of the page, and why it has no pictures if it has none."""
    file = settings.addresses("file")["output"]
    return [f"  {file}", *([] if counts["pictures"] else [f"  {NO_COUNTS}"])]


def _reported_runs(spark: SparkSession, settings: Report, workspace: str) -> list[RunRecord]:
    """The runs behind the table, run or recipe, oldest first, without reports.

    Raises InputDataError if the workspace has none.
    """
    records = [record for record in recorded_runs(spark, workspace) if record.job != JOB.name]
    runs_address = join_address(workspace, "runs")
    if settings.run is not None:
        candidates = [r for r in records if settings.run_id in (None, r.run_id)]
        if not candidates:
            with_run_id = f" with run_id {settings.run_id}" if settings.run_id else ""
            raise InputDataError(f"{runs_address}: there is no run{with_run_id}")
        run = candidates[-1]
        up_to_run = records[: records.index(run) + 1]  # later runs may have written there again
        return _with_plans(runs_behind(up_to_run, run.outputs.values()), records)
    tables = settings.addresses("input").values()
    runs = runs_behind(records, tables)
    if not runs:
        raise InputDataError(f"{runs_address}: no run there wrote {', '.join(tables)}")
    return _with_plans(runs, records)


def _with_plans(runs: Sequence[RunRecord], records: Sequence[RunRecord]) -> list[RunRecord]:
    """Add the newest plan-threshold run on each column of each output of the runs."""
    outputs = {address for run in runs for address in run.outputs.values()}
    plans = {
        (run.settings["scores"], run.settings["column"]): run
        for run in records
        if run.job == _PLAN_THRESHOLD and run.settings["scores"] in outputs and run not in runs
    }
    return sorted([*runs, *plans.values()], key=lambda run: run.started)


def _entries_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each balancing run, else for the last run that counted entries."""
    balancing_runs = [run for run in runs if run.job in _BALANCING_JOBS]
    counting_runs = [run for run in runs if "entry_counts" in run.outputs]
    shown_runs = balancing_runs or counting_runs[-1:]
    if not shown_runs and any(run.job == _PLAN_THRESHOLD or _has_class_counts(run) for run in runs):
        return  # the page has other pictures
    if not shown_runs:
        yield Section("Entries", [Note(NO_COUNTS)])
    for run in shown_runs:
        title = f"Entries, t = {run.counts['t']:,}" if len(shown_runs) > 1 else "Entries"
        no_tables: list[Block] = []
        pictures, tables = default_if_lost(partial(_entry_blocks, spark, run), (_lost(), no_tables))
        matches = default_if_lost(partial(_matches_blocks, spark, run), _lost())
        yield Section(title, [*pictures, *matches, *tables])


def _entry_blocks(spark: SparkSession, run: RunRecord) -> tuple[list[Block], list[Block]]:
    counts = entry_counts(spark, run)
    if counts is None:
        return [Note(NO_COUNTS)], []
    return [*entry_pictures(counts)], [*entry_tables(counts)]


def _matches_blocks(spark: SparkSession, run: RunRecord) -> list[Block]:
    if run.job == "balance-captions":
        before = matches_per_caption(matches_before_balancing(spark, run))
        return matches_blocks(before, matches_per_caption(matches_after_balancing(spark, run)))
    if run.job == _MATCH_AND_BALANCE:
        return matches_blocks(None, matches_per_caption(matches_after_balancing(spark, run)))
    written = matches_written(spark, run)
    return [] if written is None else matches_blocks(matches_per_caption(written), None)


def _similarity_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each plan-threshold run, marking the threshold that a filter then used."""
    for run in runs:
        if run.job == _PLAN_THRESHOLD:
            column = run.settings["column"]
            used_thresholds = [
                rule["value"]
                for later in runs
                if later.job == "filter-captions"
                for rule in later.settings["rules"]
                if rule.get("column") == column and rule.get("op") in (">", ">=")
            ]
            used = used_thresholds[0] if used_thresholds else None
            read = partial(_similarity_blocks, spark, run, used)
            yield Section(f"Similarity: {column}", default_if_lost(read, _lost()))


def _similarity_blocks(spark: SparkSession, run: RunRecord, used: float | None) -> list[Block]:
    return [*similarity_pictures(similarity_plan(spark, run, used))]


def _class_sections(spark: SparkSession, runs: Sequence[RunRecord]) -> Iterator[Section]:
    """A section for each subset drawn by class whose table of counts was written."""
    for run in runs:
        if _has_class_counts(run):
            title = f"Classes: {table_name(run.outputs['output'])}"
            yield Section(title, default_if_lost(partial(_class_blocks, spark, run), _lost()))


def _class_blocks(spark: SparkSession, run: RunRecord) -> list[Block]:
    return [*class_blocks(*class_counts(spark, run))]


def _lost() -> list[Block]:
    return [Note(LOST)]


def _has_class_counts(run: RunRecord) -> bool:
    return run.job in _SUBSET_JOBS and "counts" in run.outputs


def _examples_section(
    spark: SparkSession, runs: Sequence[RunRecord], workspace: str
) -> Iterator[Section]:
    examples_by_run = [
        default_if_lost(partial(_examples, spark, run, workspace), None) for run in reversed(runs)
    ]
    nonempty = [block for blocks in examples_by_run for block in blocks or [] if block.examples]
    lost = [Note(LOST)] if None in examples_by_run else []
    if nonempty or lost:
        yield Section("Examples", [Note(ENTRIES_NOTE), *lost, *nonempty])


def _examples(spark: SparkSession, run: RunRecord, workspace: str) -> list[Examples]:
    if run.job == "balance-captions":
        kept, dropped = balanced_examples(spark, run)
        return [Examples("Kept by balancing", kept), Examples("Dropped by balancing", dropped)]
    if run.job == "dedup-captions":
        return [Examples("Dropped as copies", duplicate_examples(spark, run))]
    if run.job in ("ingest-captions", _MATCH_AND_BALANCE):
        return [Examples("Rejected", rejected_examples(spark, run, workspace))]
    return []


JOB = Job(
    "report",
    "Write an HTML page about the runs behind a table: counts, charts, examples, settings.",
    Report,
    run,
    closing_lines=closing_lines,
    example="captionlake report --run ./curated",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
