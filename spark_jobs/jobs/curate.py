"""curate: captions and a concept bank in, deduplicated and balanced captions out."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs import schemas
from spark_jobs.addresses import join_address, parse_parent
from spark_jobs.ingest.presets import InputFormat
from spark_jobs.ingest.text_rules import FrontEnd
from spark_jobs.job import Pipeline, Step
from spark_jobs.jobs import (
    balance_captions,
    dedup_captions,
    ingest_captions,
    match_concepts,
    report,
)
from spark_jobs.schemas import URL
from spark_jobs.settings import Settings
from spark_jobs.tables import input_version, read_table
from spark_jobs.threshold_settings import ThresholdSettings


class Curate(ThresholdSettings):
    """Settings of curate."""

    input: str = Field(description="file, folder or glob of captions")
    bank: str = Field(description="concept bank: a table, metadata.json or .txt file")
    output: str = Field(description="folder or catalog.schema for the tables")
    preset: str | None = Field(None, description="preset of ingest-captions")
    format: InputFormat | None = Field(None, description="format of the input")
    columns: dict[str, str] | None = Field(None, description="column map of ingest-captions")
    dedup: Literal["auto", "caption", "url", "caption+url", "none"] = Field(
        "auto", description="auto: by caption where no row has a url, else none"
    )
    front_end: FrontEnd = Field("none", description="front end of ingest-captions")
    decisions: bool = Field(
        False, description="add a row per caption and step to the table decisions: why it stayed"
    )
    report: bool = Field(
        True, description="write report.html beside the tables, where these lie in a folder"
    )


_BALANCING = set(ThresholdSettings.model_fields) - set(Settings.model_fields)


def steps(spark: SparkSession, settings: Curate) -> Iterator[Step]:
    """Ingest -> dedup -> match -> balance -> report."""
    parent = parse_parent(settings.output)

    def table(name: str) -> str:
        return join_address(parent, name)

    workspace = settings.workspace or parent
    input_version(spark, settings.bank)  # a bank that is not there is told before the ingest
    yield Step(
        ingest_captions.JOB,
        ingest_captions.IngestCaptions(
            input=settings.input,
            preset=settings.preset,
            format=settings.format,
            columns=settings.columns,
            front_end=settings.front_end,
            output=table("captions"),
            decisions=settings.decisions,
            workspace=workspace,
        ),
    )
    captions = table("captions")
    by = _dedup_by(spark, settings, captions)
    if by != "none":
        yield Step(
            dedup_captions.JOB,
            dedup_captions.DedupCaptions(
                captions=captions,
                by=by,
                output=table("unique_captions"),
                decisions=settings.decisions,
                workspace=workspace,
            ),
        )
        captions = table("unique_captions")
    yield Step(
        match_concepts.JOB,
        match_concepts.MatchConcepts(
            captions=captions,
            bank=settings.bank,
            carry=True,
            output=table("matches"),
            entry_counts=table("entry_counts"),
            workspace=workspace,
        ),
    )
    yield Step(
        balance_captions.JOB,
        balance_captions.BalanceCaptions(
            captions=table("matches"),
            matches=table("matches"),
            entry_counts=table("entry_counts"),
            **{name: getattr(settings, name) for name in _BALANCING},
            output=table("balanced_captions"),
            probabilities=table("entry_probabilities"),
            decisions=settings.decisions,
            workspace=workspace,
        ),
    )
    if settings.report and "/" in parent:
        file = f"{parent}/report.html"
        told = report.Report(table=table("balanced_captions"), output=file, workspace=workspace)
        yield Step(report.JOB, told)


def _dedup_by(
    spark: SparkSession, settings: Curate, captions: str
) -> Literal["caption", "url", "caption+url", "none"]:
    """Captions alone are made unique; pairs with a url are left as they were sampled."""
    if settings.dedup != "auto":
        return settings.dedup
    rows = read_table(spark, captions, schemas.CAPTIONS)
    has_url = URL in rows.columns and rows.where(F.col(URL).isNotNull()).limit(1).count() > 0
    return "none" if has_url else "caption"


JOB = Pipeline(
    "curate",
    "Ingest, dedup, match and balance one's own captions in one command.",
    Curate,
    steps,
    arguments=("input",),
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
