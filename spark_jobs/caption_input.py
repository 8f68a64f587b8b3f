"""Reading captions of any form for a job: its settings, the rows, and what is rejected."""

from pydantic import Field, PositiveInt, field_validator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs import schemas
from spark_jobs.addresses import parse_address
from spark_jobs.errors import CurationError, InputDataError
from spark_jobs.ingest.normalise import caption_rows, rejected, repeated_keys
from spark_jobs.ingest.presets import PRESETS, InputFormat, Preset, column_map
from spark_jobs.ingest.records import as_told
from spark_jobs.ingest.text_rules import FrontEnd
from spark_jobs.input_files import Source, input_format, read_source
from spark_jobs.job import Counts, Run
from spark_jobs.schemas import REASON
from spark_jobs.settings import InputAddress, Settings, nearest

_FEW = 100_000


class TooManyRejectedError(CurationError):
    """The rows that could not be taken are more than the settings allow."""

    exit_code = 4


class CaptionInput(Settings):
    """Where captions come from, and which of them are taken."""

    input: InputAddress = Field(description="file, folder, glob or table of captions")
    preset: str | None = Field(None, description=f"one of {', '.join(PRESETS)}")
    format: InputFormat | None = Field(None, description="default: the preset's, or by file name")
    columns: dict[str, str] | None = Field(
        None, description="map from our column names to the input's: {caption: TEXT, url: URL}"
    )
    carry: bool = Field(True, description="keep the input's other columns")
    source: str | None = Field(None, description="value of the column source")
    front_end: FrontEnd = Field(
        "none",
        description="synthclip: captions with a line feed are rejected, double quotes removed, "
        "spaces at both ends stripped",
    )
    max_caption_bytes: PositiveInt = Field(16_777_216, description="longer captions are rejected")
    max_rejected_fraction: float = Field(
        1.0, ge=0, le=1, description="exit code 4 above this share of rejected rows (0-1)"
    )

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str | None) -> str | None:
        if value is not None and value not in PRESETS:
            raise ValueError(f"unknown preset{nearest(value, PRESETS)}; there are {[*PRESETS]}")
        return value


def read_captions(run: Run, settings: CaptionInput) -> Source:
    """The input's rows under our names, with uid and the working columns of `caption_rows`."""
    preset = PRESETS[settings.preset] if settings.preset else None
    source = _read_input(run, settings, preset)
    if preset is not None:
        source = Source(as_told(source.rows, preset), source.counted)
    rows = caption_rows(
        source.rows,
        column_map(preset, settings.columns, source.columns),
        carry=settings.carry,
        source=settings.source,
        max_caption_bytes=settings.max_caption_bytes,
        front_end=settings.front_end,
    )
    return Source(rows, source.counted)


def few_repeated_keys(rows: DataFrame) -> list[int] | None:
    """All repeated keys, unless they are too many to hand around."""
    found = repeated_keys(rows).limit(_FEW + 1).collect()
    return None if len(found) > _FEW else sorted(row[0] for row in found)


def reject_others(
    run: Run,
    settings: CaptionInput,
    rows: DataFrame,
    repeated: list[int] | None,
    *,
    rows_in: int,
    kept: int,
) -> Counts:
    """Store the rows that are not taken; how many there are for each reason.

    Raises InputDataError where rows taken and rejected are not those that were read.
    """
    reasons: Counts = {}
    if kept < rows_in:
        run.reject(rejected(rows, repeated, run_id=run.run_id, job=run.job))
        told = run.rejected().groupBy(REASON).agg(F.count("*").alias("n")).collect()
        reasons = {row[REASON]: row["n"] for row in sorted(told)}
    n_rejected = sum(reasons.values())
    if rows_in != kept + n_rejected:
        raise InputDataError(
            f"{settings.input}: {rows_in} rows were read, but {kept} kept and {n_rejected} "
            "rejected; it changed while it was read, run again"
        )
    return reasons


def refuse_too_many(settings: CaptionInput, rows_in: int, n_rejected: int) -> None:
    """Raise TooManyRejectedError above the share that the settings allow."""
    if n_rejected > settings.max_rejected_fraction * rows_in:
        raise TooManyRejectedError(
            f"{settings.input}: {n_rejected} of {rows_in} rows were rejected, more than "
            f"max_rejected_fraction = {settings.max_rejected_fraction}; see the table 'rejected'"
        )


def _read_input(run: Run, settings: CaptionInput, preset: Preset | None) -> Source:
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
