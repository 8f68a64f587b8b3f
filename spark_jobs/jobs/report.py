"""report: one HTML page that shows what the runs behind a table did."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from pyspark.sql import SparkSession

from spark_jobs.core.addresses import join_address, parse_address, parse_parent
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.run_records import RunRecord, runs_behind
from spark_jobs.core.settings import InputAddress, OutputFile, RoleName, Settings
from spark_jobs.formats.report_sections import (
    CHECK_BANK,
    NO_COUNTS,
    PLAN_THRESHOLD,
    result_sections,
)
from spark_jobs.report.blocks import Figure
from spark_jobs.report.funnel import funnel_section
from spark_jobs.report.headline import headline, key_figures
from spark_jobs.report.page import Page, render
from spark_jobs.report.run_tables import runs_section
from spark_jobs.running.job import Job
from spark_jobs.running.recipes.planning import PlannedStep, plan_steps
from spark_jobs.running.recipes.reading import read_recipe
from spark_jobs.running.run_rows import recorded_runs
from spark_jobs.storage.outputs.files import write_output_file
from spark_jobs.storage.run import Counts, Run


class Report(Settings):
    """Settings of report."""

    mutually_exclusive: ClassVar[tuple[str, ...]] = ("table", "run", "recipe")
    is_extra: ClassVar[bool] = True

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
        *result_sections(run.spark, runs, run.workspace),
        runs_section(runs),
    ]
    last = runs[-1]
    address = last.outputs.get("output") or next(iter(last.outputs.values()))
    subtitle = f"{address}: {last.job}, run {last.run_id}, {last.started:%Y-%m-%d %H:%M} UTC"
    content = render(Page(headline(runs), subtitle, key_figures(runs), sections))
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
    """Add the newest plan-threshold run on each column, and check of each bank, of the runs."""
    outputs = {address for run in runs for address in run.outputs.values()}
    plans = {
        (run.settings["scores"], run.settings["column"]): run
        for run in records
        if run.job == PLAN_THRESHOLD and run.settings["scores"] in outputs and run not in runs
    }
    checks = {
        run.settings["bank"]: run
        for run in records
        if run.job == CHECK_BANK and run.settings["bank"] in outputs and run not in runs
    }
    return sorted([*runs, *plans.values(), *checks.values()], key=lambda run: run.started)


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
