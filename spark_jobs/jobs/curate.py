"""curate: ingest, deduplicate, match and balance captions, one job after the other."""

from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.balancing.balance_settings import BalanceCaptions
from spark_jobs.balancing.t_settings import ThresholdSettings
from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address, parse_address, parse_parent
from spark_jobs.core.bank_names import BANK_HELP, bank_path
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import URL
from spark_jobs.core.settings import PipelineBank, PipelineInput, Settings, TablesFolder
from spark_jobs.dedup.dedup_settings import DedupCaptions
from spark_jobs.formats.caption_input import CaptionInput, read_captions
from spark_jobs.ingest.presets import PRESET_HELP, InputFormat, PresetName
from spark_jobs.ingest.text_rules import FrontEnd
from spark_jobs.jobs import (
    balance_captions,
    dedup_captions,
    ingest_captions,
    match_and_balance,
    report,
)
from spark_jobs.running.job import Pipeline, Step
from spark_jobs.running.up_to_date import new_run, up_to_date_record
from spark_jobs.storage.history import delta_schema
from spark_jobs.storage.outputs.checks import check_outputs_ahead
from spark_jobs.storage.table_states import bank_state
from spark_jobs.storage.tables import read_table


class Curate(ThresholdSettings):
    """Settings of curate."""

    input: PipelineInput = Field(description="file, folder, glob or table of captions")
    bank: PipelineBank = Field(description=BANK_HELP)
    output: TablesFolder = Field(
        description="folder, or catalog.schema, for the tables; a word without a dot is a folder"
    )
    preset: PresetName | None = Field(None, description=PRESET_HELP)
    format: InputFormat | None = Field(None, description="format of the input")
    columns: dict[str, str] | None = Field(None, description="column map of ingest-captions")
    dedup: Literal["auto", "caption", "url", "caption+url", "none"] = Field(
        "auto", description="auto: by caption where no row has a url, else none"
    )
    front_end: FrontEnd = Field("none", description="front end of ingest-captions")
    intermediate: bool = Field(
        True,
        description="store the matches too, which hold the captions, for explain, plan-balance and "
        "another t; without them a run takes less time and space",
    )
    decisions: bool = Field(
        False, description="add a row per caption and step to the table decisions: why it stayed"
    )
    report: bool = Field(
        True, description="write report.html beside the tables, where these lie in a folder"
    )

    @model_validator(mode="after")
    def _has_needed_matches(self) -> Self:
        if not self.intermediate and (self.decisions or self.floor):
            setting = "decisions" if self.decisions else "a floor"
            raise ValueError(f"{setting} needs the stored matches: leave intermediate on")
        return self

    def look_ahead(self) -> None:
        """Look at the input as ingest-captions does."""
        CaptionInput(**_values_of(self, _INPUT)).look_ahead()


def _own_names(settings: type[Settings]) -> set[str]:
    return set(settings.model_fields) - set(Settings.model_fields)


# Settings that curate passes on under the same name.
_BALANCING = _own_names(ThresholdSettings)
_INPUT = _own_names(CaptionInput) & _own_names(Curate)


def steps(spark: SparkSession, settings: Curate) -> Iterator[Step]:
    """Ingest -> dedup -> balance -> report; the job that writes the unique captions matches them.

    So `matches` holds captions and matches in one. Without intermediate tables match-and-balance
    does all but dedup; where that is wanted, captions are ingested and deduplicated first.
    """
    parent = parse_parent(settings.output)
    workspace = settings.workspace or parent
    bank = bank_path(settings.bank)
    if bank is not None:
        bank_state(spark, bank)  # fails for a missing bank before the ingest
    report_settings = report.Report(
        table=join_address(parent, "balanced_captions"),
        output=f"{parent}/report.html",
        workspace=workspace,
    )
    writes_report = settings.report and "/" in parent
    check_outputs_ahead(spark, [report_settings] if writes_report else [])
    by = _dedup_by(spark, settings)
    if by != "none":
        ingest_settings = _ingest(settings, "captions")
        yield Step(ingest_captions.JOB, ingest_settings)
        output = "matches" if settings.intermediate else "unique_captions"
        dedup_settings = DedupCaptions(
            captions=ingest_settings.output,
            by=by,
            output=join_address(parent, output),
            decisions=settings.decisions,
            workspace=workspace,
            **_matching(settings),
        )
        yield Step(dedup_captions.JOB, dedup_settings)
    elif settings.intermediate:
        yield Step(ingest_captions.JOB, _ingest(settings, "matches", **_matching(settings)))
    if settings.intermediate:
        balance_settings = BalanceCaptions(
            captions=join_address(parent, "matches"),
            matches=join_address(parent, "matches"),
            entry_counts=join_address(parent, "entry_counts"),
            decisions=settings.decisions,
            **_balancing(settings),
        )
        yield Step(balance_captions.JOB, balance_settings)
    else:
        files = _values_of(settings, _INPUT)
        unique_captions = {"input": join_address(parent, "unique_captions")}
        match_and_balance_settings = match_and_balance.MatchAndBalance(
            **(files if by == "none" else unique_captions),
            **_balancing(settings),
            bank=settings.bank,
        )
        yield Step(match_and_balance.JOB, match_and_balance_settings)
    if writes_report:
        yield Step(report.JOB, report_settings)


def _ingest(settings: Curate, table: str, **matching: str) -> ingest_captions.IngestCaptions:
    parent = parse_parent(settings.output)
    return ingest_captions.IngestCaptions(
        **_values_of(settings, _INPUT),
        **matching,
        output=join_address(parent, table),
        decisions=settings.decisions,
        workspace=settings.workspace or parent,
    )


def _matching(settings: Curate) -> dict[str, str]:
    """The settings of the job that matches, for stored matches."""
    entry_counts = join_address(parse_parent(settings.output), "entry_counts")
    return {"bank": settings.bank, "entry_counts": entry_counts} if settings.intermediate else {}


def _values_of(settings: Curate, names: set[str]) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in names}


def _balancing(settings: Curate) -> dict[str, Any]:
    parent = parse_parent(settings.output)
    return _values_of(settings, _BALANCING) | {
        "output": join_address(parent, "balanced_captions"),
        "probabilities": join_address(parent, "entry_probabilities"),
        "workspace": settings.workspace or parent,
    }


def _dedup_by(
    spark: SparkSession, settings: Curate
) -> Literal["caption", "url", "caption+url", "none"]:
    """The columns to deduplicate by; auto: none where a row has a url, else caption.

    So captions alone are made unique, and pairs with a url are left as they were sampled.
    """
    if settings.dedup != "auto":
        return settings.dedup
    return "none" if _has_url(spark, settings) else "caption"


def _has_url(spark: SparkSession, settings: Curate) -> bool:
    """Whether a row of the input has a url, by the table of an ingest that is up to date if any."""
    ingests = [_ingest(settings, "captions"), _ingest(settings, "matches", **_matching(settings))]
    runs = [new_run(spark, ingest_captions.JOB, ingest) for ingest in ingests]
    for run, ingest in zip(runs, ingests, strict=True):
        if up_to_date_record(run, ingest) is not None:
            columns = delta_schema(spark, parse_address(ingest.output))
            if columns is not None and URL not in columns.names:
                return False  # said without Spark, for what is up to date
            return _is_in_a_row(URL, read_table(spark, ingest.output, schemas.CAPTIONS))
    return _is_in_a_row(URL, read_captions(runs[0], ingests[0]).rows)


def _is_in_a_row(column: str, rows: DataFrame) -> bool:
    return column in rows.columns and bool(rows.where(named(column).isNotNull()).take(1))


JOB = Pipeline(
    "curate",
    "Ingest, deduplicate, match and balance your own captions in one command.",
    Curate,
    steps,
    arguments=("input",),
    example="captionlake curate my_captions --bank concepts.txt --t 20000 --output curated",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
