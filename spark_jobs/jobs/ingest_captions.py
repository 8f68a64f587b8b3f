"""ingest-captions: captions of any form into one table with a uid per row."""

from typing import Literal

from pydantic import Field, PositiveInt, field_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs import schemas
from spark_jobs.addresses import parse_address
from spark_jobs.decisions import decisions
from spark_jobs.errors import CurationError, InputDataError
from spark_jobs.ingest.normalise import accepted, caption_rows, rejected, repeated_keys
from spark_jobs.ingest.presets import PRESETS, InputFormat, Preset, column_map
from spark_jobs.ingest.records import as_told
from spark_jobs.input_files import Source, input_format, read_source
from spark_jobs.job import Counts, Job, Run
from spark_jobs.schemas import REASON
from spark_jobs.settings import InputAddress, OutputAddress, Settings, nearest

_FEW = 100_000


class TooManyRejectedError(CurationError):
    """The rows that could not be taken are more than the settings allow."""

    exit_code = 4


class IngestCaptions(Settings):
    """Settings of ingest-captions."""

    input: InputAddress = Field(description="file, folder, glob or table of captions")
    preset: str | None = Field(None, description=f"one of {', '.join(PRESETS)}")
    format: InputFormat | None = Field(None, description="default: the preset's, or by file name")
    columns: dict[str, str] | None = Field(
        None, description="map from our column names to the input's: {caption: TEXT, url: URL}"
    )
    carry: bool = Field(True, description="keep the input's other columns")
    source: str | None = Field(None, description="value of the column source")
    front_end: Literal["none", "synthclip"] = Field(
        "none",
        description="synthclip: captions with a line feed are rejected, double quotes removed, "
        "spaces at both ends stripped",
    )
    max_caption_bytes: PositiveInt = Field(16_777_216, description="longer captions are rejected")
    max_rejected_fraction: float = Field(
        1.0, ge=0, le=1, description="exit code 4 above this share of rejected rows (0-1)"
    )
    decisions: bool = Field(
        False, description="add a row per input row to decisions in the workspace"
    )
    output: OutputAddress = Field(description="table of captions, a row per uid")

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str | None) -> str | None:
        if value is not None and value not in PRESETS:
            raise ValueError(f"unknown preset{nearest(value, PRESETS)}; there are {[*PRESETS]}")
        return value


def run(run: Run, settings: IngestCaptions) -> Counts:
    """Rows in are always rows out plus rejected; a run that cannot show it fails."""
    preset = PRESETS[settings.preset] if settings.preset else None
    source = _read_input(run, settings, preset)
    if preset is not None:
        source = Source(as_told(source.rows, preset), source.counted)
    mapping = column_map(preset, settings.columns, source.columns)
    rows = caption_rows(
        source.rows,
        mapping,
        carry=settings.carry,
        source=settings.source,
        max_caption_bytes=settings.max_caption_bytes,
        front_end=settings.front_end,
    )
    rows_in = source.counted.count()
    repeated = _few_repeated_keys(rows)
    kept = run.write(accepted(rows, repeated), settings.output)
    left_out = rejected(rows, repeated, run_id=run.run_id, job=run.job)
    reasons = _reject(run, left_out) if kept < rows_in else {}
    n_rejected = sum(reasons.values())
    if rows_in != kept + n_rejected:
        raise InputDataError(
            f"{settings.input}: {rows_in} rows were read, but {kept} kept and {n_rejected} "
            "rejected; it changed while it was read, run again"
        )
    if settings.decisions:
        _decide(run, run.read(settings.output, schemas.CAPTIONS), n_rejected)
    _refuse_too_many(settings, rows_in, n_rejected)
    return {"rows_in": rows_in, "kept": kept, "rejected": n_rejected, **reasons}


def _read_input(run: Run, settings: IngestCaptions, preset: Preset | None) -> Source:
    """The rows of a table, or of files."""
    address = parse_address(settings.input)
    if run.inputs[settings.input].startswith("delta:") or not address.is_path:
        rows = run.read(settings.input, schemas.EMPTY)
        return Source(rows, rows)
    return read_source(
        run.spark,
        address.location,
        input_format(run.spark, address.location, settings.format, preset),
        preset,
    )


def _few_repeated_keys(rows: DataFrame) -> list[int] | None:
    """All repeated keys, unless they are too many to hand around."""
    found = repeated_keys(rows).limit(_FEW + 1).collect()
    return None if len(found) > _FEW else sorted(row[0] for row in found)


def _reject(run: Run, left_out: DataFrame) -> dict[str, int]:
    run.reject(left_out)
    reasons = run.rejected().groupBy(REASON).agg(F.count("*").alias("n")).collect()
    return {row[REASON]: row["n"] for row in sorted(reasons)}


def _decide(run: Run, kept: DataFrame, n_rejected: int) -> None:
    told = decisions(kept, kept=F.lit(True), rule=F.lit("accepted"))
    if n_rejected:
        left_out = run.rejected()
        told = told.unionByName(decisions(left_out, kept=F.lit(False), rule=F.col(REASON)))
    run.decide(told)


def _refuse_too_many(settings: IngestCaptions, rows_in: int, n_rejected: int) -> None:
    if n_rejected > settings.max_rejected_fraction * rows_in:
        raise TooManyRejectedError(
            f"{settings.input}: {n_rejected} of {rows_in} rows were rejected, more than "
            f"max_rejected_fraction = {settings.max_rejected_fraction}; see the table 'rejected'"
        )


JOB = Job(
    "ingest-captions",
    "Read captions from parquet, JSON, CSV, TSV or text into one table.",
    IngestCaptions,
    run,
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
