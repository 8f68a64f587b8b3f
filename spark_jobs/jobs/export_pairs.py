"""export-pairs: write pairs as plain files for img2dataset, open_clip and pandas."""

import json
import logging
import shlex
from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core import schemas
from spark_jobs.core.addresses import is_inside
from spark_jobs.core.columns import keys, require_columns
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION, UID, URL
from spark_jobs.core.settings import InputAddress, OutputFile, OutputFolder, Settings
from spark_jobs.formats.pair_files import (
    PairColumns,
    WrittenPairs,
    choose_columns,
    with_caption_columns,
    write_pairs,
)
from spark_jobs.formats.pair_keys import (
    SHARD_KEY,
    key_column_of,
    refuse_unusable_keys,
    write_keys,
)
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.run import Counts, Run
from udfs.pair_files import PairFormat

_log = logging.getLogger(__name__)


class ExportPairs(Settings):
    """Settings of export-pairs."""

    input: InputAddress = Field(
        description="table of pairs, such as balanced_captions or a subset, with uid"
    )
    captions: InputAddress | None = Field(
        None, description="table of captions; gives the columns that the pairs lack, by uid"
    )
    format: PairFormat = Field("parquet", description="format of the files")
    line_breaks: Literal["refuse", "space", "keep"] = Field(
        "refuse",
        description="line breaks in texts of CSV, at which img2dataset and others that read CSV in "
        "blocks lose rows without a word: refuse them, write spaces, or keep them, as for pandas",
    )
    columns: dict[str, str] = Field(
        {}, description="map from the table's column names to the files': {url: URL, caption: TEXT}"
    )
    carry: bool = Field(
        True,
        description="write all columns but for lists, maps and bytes; else uid, caption_id, url, "
        "caption, width, height and those in `columns`",
    )
    rows_per_file: PositiveInt = Field(
        1_000_000, le=10**9, description="rows that a file holds at most, but for rare chance"
    )
    keys: OutputFile | None = Field(
        None,
        description="file of keys to filter existing shards by: .npy with DataComp's uids, or text "
        "with a key a line",
    )
    key_column: str | None = Field(
        None,
        description="column of the keys in a text file; default: img2dataset's key, else the uid",
    )
    output: OutputFolder = Field(description="folder for the files, pairs_00000.parquet and so on")

    @model_validator(mode="after")
    def _keys_are_outside(self) -> Self:
        if self.keys is not None and is_inside(self.keys, self.output):
            raise ValueError("keys: give a file outside of the output, whose files are replaced")
        if self.key_column is not None and (self.keys is None or self.keys.endswith(".npy")):
            raise ValueError("key_column is of a text file of --keys; an .npy file has uids")
        return self

    def folder_content(self) -> str:
        """Names the form of the files, so that those of another form in the same folder stay."""
        return f"export-pairs --format {self.format}"


def run(run: Run, settings: ExportPairs) -> Counts:
    """Write all rows of the table, or nothing."""
    pairs, called = run.read(settings.input, schemas.EMPTY), f"table {settings.input}"
    require_columns(pairs, called, [UID])
    captions = run.read(settings.captions, schemas.CAPTIONS) if settings.captions else None
    rows = pairs if captions is None else with_caption_columns(pairs, captions)
    remedy = "give --captions, the table of captions that has it"
    require_columns(rows, called, [CAPTION], remedy=remedy)
    columns = choose_columns(
        rows, called, settings.columns, carry=settings.carry, format_=settings.format
    )
    _warn_of_columns(columns, called)
    key_column = _usable_key_column(settings, rows, called)
    rows_in, metadata = count_rows(pairs), run.output_metadata(settings.output)
    key_counts: Counts = {}
    with (
        batches_that_fit(pairs, *([] if captions is None else [captions])),
        replaced_folder(settings.output, metadata, content=settings.folder_content()) as folder,
    ):
        written = write_pairs(
            rows,
            columns,
            folder,
            settings.format,
            n_rows=rows_in,
            rows_per_file=settings.rows_per_file,
            breaks_as_spaces=settings.format == "csv" and settings.line_breaks == "space",
        )
        _refuse_incomplete(settings, written, rows_in, pairs)
        if settings.keys is not None:
            key_counts["keys"] = write_keys(rows, key_column, settings.keys)
            if _are_uids_by_default(settings, key_column):
                key_counts["without_key"] = rows_in
    counts = {"rows_in": rows_in, "rows": written.rows, "files": written.files}
    if URL in columns.names:
        counts["without_url"] = written.without_url
    if settings.format == "csv":
        counts["with_line_break"] = written.line_breaks
    return {**counts, **key_counts}


def _usable_key_column(settings: ExportPairs, rows: DataFrame, called: str) -> str:
    """The column of the keys to write, whose values were looked at; uid for DataComp's form."""
    if settings.keys is None or settings.keys.endswith(".npy"):
        return UID
    key_column = key_column_of(rows, called, settings.key_column)
    refuse_unusable_keys(rows, called, key_column)
    return key_column


def _are_uids_by_default(settings: ExportPairs, key_column: str) -> bool:
    """Whether the file of keys has uids only because the table has no keys of shards."""
    is_text = settings.keys is not None and not settings.keys.endswith(".npy")
    return is_text and settings.key_column is None and key_column == UID


def _refuse_incomplete(
    settings: ExportPairs, written: WrittenPairs, rows_in: int, pairs: DataFrame
) -> None:
    """Raise InputDataError unless the files hold each row of the table once, with its caption."""
    if written.rows != rows_in:
        cause = "it changed while it was read; run again"
        if settings.captions is not None:
            cause = f"a {' and '.join(keys(pairs))} stands in several rows of {settings.captions}"
        raise InputDataError(
            f"table {settings.input} has {rows_in:,} rows, but {written.rows:,} would be written: "
            f"{cause}; nothing was written"
        )
    if written.not_joined:
        raise InputDataError(
            f"captions {settings.captions}: {written.not_joined:,} of the {rows_in:,} rows of "
            f"{settings.input} are not in it; give the captions that these rows come from"
        )
    if written.without_caption:
        raise InputDataError(
            f"table {settings.input}: {written.without_caption:,} rows have no caption (null); "
            "filter them out first (filter-captions)"
        )
    if settings.format == "csv":
        _refuse_unreadable_csv(settings, written)


def _refuse_unreadable_csv(settings: ExportPairs, written: WrittenPairs) -> None:
    """Raise InputDataError for texts that readers of CSV do not read as they are."""
    if written.line_breaks and settings.line_breaks == "refuse":
        raise InputDataError(
            f"table {settings.input}: {written.line_breaks:,} rows have line breaks in a text, at "
            "which img2dataset loses rows of CSV; take --format parquet or jsonl, or --line-breaks "
            "space or keep"
        )
    if written.nul:
        raise InputDataError(
            f"table {settings.input}: {written.nul:,} rows hold the character NUL, where readers "
            "of CSV cut the text; take --format parquet or jsonl"
        )


def _warn_of_columns(columns: PairColumns, called: str) -> None:
    if columns.left_out:
        _log.warning(
            "%s: lists and bytes are not written unless --columns names them: %s",
            *(called, ", ".join(columns.left_out)),
        )


def closing_lines(_spark: SparkSession, settings: ExportPairs, counts: Counts) -> list[str]:
    """What a reader of the files must know, and the command that takes them."""
    lines = []
    if "without_key" in counts:
        lines.append(
            f"  keys are uids: the table has no column {SHARD_KEY!r}; give --key-column where the "
            "shards have other keys"
        )
    if "without_url" not in counts:
        return [*lines, "  without urls, since the table has none: --captions may bring them"]
    n = counts["without_url"]
    lines += [f"  {n:,} rows have no url: img2dataset fails at them"] if n else []
    return [*lines, *_img2dataset_command(settings)]


def _img2dataset_command(settings: ExportPairs) -> list[str]:
    url, caption, uid = (settings.columns.get(name, name) for name in (URL, CAPTION, UID))
    options = {
        **{"url_list": settings.output, "input_format": settings.format},
        **{"url_col": url, "caption_col": caption, "save_additional_columns": json.dumps([uid])},
        **{"output_format": "webdataset", "output_folder": "images"},
    }
    words = [f"--{name} {shlex.quote(value)}" for name, value in options.items()]
    return ["  download the images, for example with", f"  img2dataset {' '.join(words)}"]


JOB = Job(
    "export-pairs",
    "Write pairs as parquet, CSV or JSON lines, for img2dataset, open_clip and pandas.",
    ExportPairs,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake export-pairs --input ./curated/balanced_captions --output ./list \\\n"
        "  --columns '{caption: TEXT, url: URL}'"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
