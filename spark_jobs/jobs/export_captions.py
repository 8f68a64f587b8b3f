"""export-captions: write captions as the JSON files of SynthCLIP, with entry_count.npy."""

import io

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.columns import keys, require_columns, with_non_null_caption_id
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION, ENTRY_IDS
from spark_jobs.core.settings import InputAddress, OutputFolder, Settings
from spark_jobs.formats.entry_counts import counted_entries, read_entry_counts
from spark_jobs.formats.matches import check_bank
from spark_jobs.running.job import Job
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.outputs.folders import n_files_for, write_file, write_json_files
from spark_jobs.storage.run import Counts, Run

_COUNTS_FILE = "entry_count.npy"
_IS_MATCHED = "_is_matched"


class ExportCaptions(Settings):
    """Settings of export-captions."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    matches: InputAddress | None = Field(
        None, description="write [caption, entry_ids] with the ids of these matches"
    )
    entry_counts: InputAddress | None = Field(None, description="write these as entry_count.npy")
    name: str = Field(
        "captions",
        pattern=r"^[^\W_]\w*$",
        description="files are called <name>_00000.json; it begins with a letter or digit, since "
        "readers pass over names with _",
    )
    rows_per_file: PositiveInt = Field(
        500_000, le=10**9, description="rows that a file holds at most, but for rare chance"
    )
    output: OutputFolder = Field(description="folder for the files")

    def folder_content(self) -> str:
        """Names the files, so that those of another name in the same folder stay."""
        return f"export-captions --name {self.name}"


def run(run: Run, settings: ExportCaptions) -> Counts:
    """Write the files; each is a JSON list, sorted by uid."""
    captions = run.read(settings.captions, schemas.CAPTIONS)
    key, fields, rows_in = keys(captions), [CAPTION], count_rows(captions)
    rows = captions.select(*key, CAPTION)
    match_counts: Counts = {}
    if settings.matches is not None:
        matches = run.read(settings.matches, schemas.MATCHES)
        require_columns(matches, f"table {settings.matches}", key)
        rows, fields = _with_entry_ids(rows, matches, key), [CAPTION, ENTRY_IDS]
        match_counts["without_matches"] = rows_in - count_rows(rows.where(F.col(_IS_MATCHED)))
    _refuse_other_bank(run, settings)
    metadata = run.output_metadata(settings.output)
    with replaced_folder(settings.output, metadata, content=settings.folder_content()) as folder:
        if settings.entry_counts is not None:
            write_file(f"{folder}/{_COUNTS_FILE}", npy(_entry_counts(run, settings.entry_counts)))
        written = write_json_files(
            rows,
            folder,
            name=settings.name,
            items=fields,
            order=key,
            n_files=n_files_for(rows_in, settings.rows_per_file),
        )
        if written.rows != rows_in:
            raise InputDataError(
                f"table {settings.captions} has {rows_in} rows, but {written.rows} came with "
                f"their matches: a {' and '.join(key)} stands in several rows of "
                f"{settings.matches}; nothing was written"
            )
    return {"rows_in": rows_in, "rows": written.rows, "files": written.files, **match_counts}


def _with_entry_ids(rows: DataFrame, matches: DataFrame, key: list[str]) -> DataFrame:
    """Add entry_ids from the matches; an empty list where a row has no match row."""
    entries = with_non_null_caption_id(matches.select(*key, ENTRY_IDS)).withColumn(
        _IS_MATCHED, F.lit(True)
    )
    joined = with_non_null_caption_id(rows).join(entries, on=key, how="left")
    return joined.withColumn(ENTRY_IDS, F.coalesce(ENTRY_IDS, F.array().cast("array<int>")))


def _refuse_other_bank(run: Run, settings: ExportCaptions) -> None:
    """Raise InputDataError if matches and entry_counts are of different banks.

    The counts may be of more captions than the matches, as SynthCLIP's are.
    """
    if settings.matches is None or settings.entry_counts is None:
        return
    matches_made_of, counts_made_of = (
        run.states[address].made_of.matching
        for address in (settings.matches, settings.entry_counts)
    )
    check_bank(settings.entry_counts, counts_made_of, None, settings.matches, matches_made_of)


def _entry_counts(run: Run, address: str) -> NDArray[np.uint64]:
    entries = read_entry_counts(run.spark, address, run.inputs[address])
    return counted_entries(entries, address).counts.astype(np.uint64)


def npy(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """The content of an .npy file."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()


JOB = Job(
    "export-captions",
    "Write captions as SynthCLIP's JSON files, with entry_count.npy.",
    ExportCaptions,
    run,
    example=(
        "captionlake export-captions --captions ./balanced_captions \\\n"
        "  --matches ./balanced_captions --entry-counts ./entry_counts \\\n"
        "  --output ./files"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
