"""Reading captions for a job: settings, normalised rows, and storing of rejected rows."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from shlex import quote

from pydantic import Field, PositiveInt
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address, parse_address
from spark_jobs.core.errors import CurationError, InputDataError, SettingsError
from spark_jobs.core.observed_sums import ObservedSums
from spark_jobs.core.schemas import CAPTION, REASON, UID, URL
from spark_jobs.core.settings import InputAddress, Settings
from spark_jobs.formats.caption_files import (
    hidden_caption_files,
    read_caption_files,
    reading_error,
    select_caption_files,
)
from spark_jobs.formats.local_columns import columns_of_first_file
from spark_jobs.ingest.accepted_rows import rejected, repeated_keys
from spark_jobs.ingest.column_map import column_map
from spark_jobs.ingest.differences import differences
from spark_jobs.ingest.normalise import NormaliseOptions, caption_rows
from spark_jobs.ingest.presets import (
    PRESET_HELP,
    PRESETS,
    InputFormat,
    Preset,
    PresetName,
)
from spark_jobs.ingest.records import apply_preset
from spark_jobs.ingest.source import Part, Source, part_from_frame
from spark_jobs.ingest.text_rules import INVALID_UTF8, FrontEnd
from spark_jobs.storage.batches import ROWS_AT_ONCE, batches_of, batches_that_fit
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.file_lists import ListedFile, list_files_at
from spark_jobs.storage.hidden_files import HIDDEN
from spark_jobs.storage.run import Counts, Run
from udfs.json_rows import PAIR

_log = logging.getLogger(__name__)

_MAX_REPEATED_KEYS = 100_000


class TooManyRejectedError(CurationError):
    """The share of rejected rows is larger than the settings allow."""

    exit_code = 4


class CaptionInput(Settings):
    """Settings: where captions come from, and which of them are accepted."""

    input: InputAddress = Field(description="file, folder, glob or table of captions")
    preset: PresetName | None = Field(None, description=PRESET_HELP)
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
    max_caption_bytes: PositiveInt = Field(
        1 << 20,
        le=1 << 30,
        description="longer captions are rejected; neighbours of this length must fit into Spark's "
        "memory",
    )
    max_rejected_fraction: float = Field(
        1.0, ge=0, le=1, description="exit code 4 above this share of rejected rows (0-1)"
    )

    def look_ahead(self) -> None:
        """Raise MissingColumnError if the first file is here and has no caption."""
        preset = PRESETS[self.preset] if self.preset else None
        if preset is not None and (preset.header or preset.texts or preset.items != "plain"):
            return
        format_ = self.format or (preset.format if preset else None)
        first = columns_of_first_file(self.input, format_)
        if first is not None and (preset is None or preset.separator == ","):
            column_map(preset, self.columns, first[1], first[0])


@dataclass(frozen=True)
class Captions:
    """The rows of an input under our column names, with the working columns of `caption_rows`.

    `files`: the files that were read; empty for a table. `has_uids`: all parts have uids.
    """

    rows: DataFrame
    source: Source
    files: Sequence[ListedFile] = ()
    has_uids: bool = False

    @contextmanager
    def reading(self, *, by_python: bool = False) -> Iterator[None]:
        """Context in which to read the rows: limits batches, and names a damaged file on failure.

        by_python: rows of files that Spark's own readers read are passed on to Python too.
        """
        spark = self.rows.sparkSession
        frames = self.source.as_stored if by_python else []
        try:
            with (
                batches_of(spark, self.source.rows_at_once or ROWS_AT_ONCE),
                batches_that_fit(*frames),
            ):
                yield
        except SPARK_FAULTS as fault:
            error = reading_error(spark, self.files, fault)
            if error is None:
                raise
            raise error from None


def read_captions(run: Run, settings: CaptionInput) -> Captions:
    """Read the input's rows under our column names; logs differences between files as warnings."""
    preset = PRESETS[settings.preset] if settings.preset else None
    source, files = _read_input(run, settings, preset)
    for note in (*source.notes, *differences(source.parts)):
        _log.warning("%s: %s", settings.input, note)
    parts = [apply_preset(part, preset) for part in source.parts] if preset else source.parts
    options = NormaliseOptions(
        settings.carry, settings.source, settings.max_caption_bytes, settings.front_end
    )

    def map_columns(part: Part) -> dict[str, str]:
        # Files without a single readable record have no column names.
        return column_map(preset, settings.columns, part.names, part.where) if part.names else {}

    rows = caption_rows(parts, map_columns, options)
    has_uids = all(UID in map_columns(part) for part in parts)
    return Captions(rows, source, files, has_uids)


def few_repeated_keys(rows: DataFrame) -> list[int] | None:
    """Sorted hashes of all repeated keys; None if there are more than 100,000."""
    key_rows = repeated_keys(rows).limit(_MAX_REPEATED_KEYS + 1).collect()
    return None if len(key_rows) > _MAX_REPEATED_KEYS else sorted(row[0] for row in key_rows)


def count_and_repeated_keys(captions: Captions) -> tuple[int, list[int] | None]:
    """The number of input rows, and `few_repeated_keys`.

    One pass does both, unless file metadata gives the number. If a task ran twice the number is
    too high; `store_rejected_rows` then counts again.
    """
    if captions.source.n_rows is not None:
        return captions.source.n_rows, few_repeated_keys(captions.rows)
    observed = ObservedSums()
    repeated = few_repeated_keys(observed.observe(captions.rows, F.count("*").alias("n")))
    n_rows = observed.get().get("n")
    return captions.source.count() if n_rows is None else n_rows, repeated


def store_rejected_rows(
    run: Run,
    settings: CaptionInput,
    captions: Captions,
    repeated: list[int] | None,
    *,
    rows_in: int,
    kept: int,
) -> Counts:
    """Store the rejected rows; returns their number for each reason.

    Raises InputDataError if kept and rejected rows do not add up to the rows read.
    """
    reasons: Counts = {}
    if kept < rows_in:
        run.write_rejected(rejected(captions.rows, repeated, run_id=run.run_id, job=run.job))
        reason_rows = run.read_rejected().groupBy(REASON).agg(F.count("*").alias("n")).collect()
        reasons = {row[REASON]: row["n"] for row in sorted(reason_rows)}
    n_rejected = sum(reasons.values())
    if rows_in != kept + n_rejected:
        rows_in = captions.source.count()
    if rows_in != kept + n_rejected:
        raise InputDataError(
            f"{settings.input}: {rows_in} rows were read, but {kept} kept and {n_rejected} "
            "rejected; it changed while it was read, run again"
        )
    return reasons


def refuse_too_many_rejected(settings: CaptionInput, rows_in: int, n_rejected: int) -> None:
    """Raise TooManyRejectedError if the share of rejected rows is above the settings' limit."""
    if n_rejected > settings.max_rejected_fraction * rows_in:
        raise TooManyRejectedError(
            f"{settings.input}: {n_rejected} of {rows_in} rows were rejected, more than "
            f"max_rejected_fraction = {settings.max_rejected_fraction}; see the table 'rejected'"
        )


def rejected_lines(settings: CaptionInput, counts: Counts) -> list[str]:
    """Lines on rejected rows: what reads them, and where they are; `counts` of the run."""
    if not counts.get("rejected"):
        return []
    is_all = counts["rejected"] == counts["rows_in"]
    lines = [f"  all {counts['rows_in']:,} rows were rejected"] if is_all else []
    if counts.get(INVALID_UTF8):
        lines.append(
            f"  {counts[INVALID_UTF8]:,} rows are not UTF-8; text of Windows and Excel is often "
            "cp1252: iconv -f CP1252 -t UTF-8 OLD > NEW"
        )
    if counts.get(PAIR):
        lines.append(
            f"  {counts[PAIR]:,} of the rejected rows are [CAPTION, [ENTRY_ID, ...]]: "
            "--preset synthclip_matches reads them"
        )
    rejected_table = join_address(settings.workspace_address(), "rejected")
    return [*lines, f"  rejected rows with their reasons: captionlake show {quote(rejected_table)}"]


def _read_input(
    run: Run, settings: CaptionInput, preset: Preset | None
) -> tuple[Source, Sequence[ListedFile]]:
    """Read a table or files: (rows, files read); no files for a table."""
    address = parse_address(settings.input)
    if run.reads_table(settings.input):
        rows = run.read(settings.input, schemas.EMPTY)
        return Source([part_from_frame(rows, rows.columns)]), ()
    listed_files = list_files_at(run.spark, address.location)
    try:
        format_, files, notes = select_caption_files(listed_files, settings.format, preset)
    except SettingsError as fault:
        raise SettingsError(f"{settings.input}: {fault}") from None

    def text_columns_of(names: Sequence[str], file: str) -> dict[str, str]:
        return _text_columns(names, file.removeprefix("file:"), settings, preset)

    try:
        source = read_caption_files(
            run.spark, files, address.location, format_, preset, text_columns_of
        )
    except SPARK_FAULTS as fault:
        error = reading_error(run.spark, files, fault)
        if error is None:
            raise
        raise error from None
    hidden = hidden_caption_files(address.location)
    if hidden:
        notes.append(f"left unread: {hidden}: {HIDDEN}; rename them if they hold captions")
    return replace(source, notes=[*notes, *source.notes]), files


def _text_columns(
    names: Sequence[str], file: str, settings: CaptionInput, preset: Preset | None
) -> dict[str, str]:
    """Caption and url columns of a JSON file, each with the fault of a value that is not a string.

    Empty for a preset whose caption is joined from several columns.
    """
    if preset is not None and preset.texts:
        return {}
    mapping = column_map(preset, settings.columns, names, file)
    return {mapping[name]: f"{name}_not_text" for name in (CAPTION, URL) if name in mapping}
