"""export-captions: captions as the JSON files of SynthCLIP, with entry_count.npy."""

import io

import numpy as np
from pydantic import Field, PositiveInt
from pyspark.sql import functions as F

from spark_jobs import schemas
from spark_jobs.columns import keys
from spark_jobs.entry_counts_reading import counted_entries, read_entry_counts
from spark_jobs.folders import files_for, write_json_folder
from spark_jobs.job import Counts, Job, Run
from spark_jobs.schemas import CAPTION, ENTRY_IDS
from spark_jobs.settings import InputAddress, OutputAddress, Settings


class ExportCaptions(Settings):
    """Settings of export-captions."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    matches: InputAddress | None = Field(
        None, description="write [caption, entry_ids] with the ids of these matches"
    )
    entry_counts: InputAddress | None = Field(None, description="write these as entry_count.npy")
    name: str = Field(
        "captions", pattern=r"^\w+$", description="files are called <name>_00000.json"
    )
    rows_per_file: PositiveInt = Field(
        500_000, description="rows that a file holds at most, but for rare chance"
    )
    output: OutputAddress = Field(description="folder for the files")


def run(run: Run, settings: ExportCaptions) -> Counts:
    """Write the files; each is a JSON list, sorted by uid."""
    captions = run.read(settings.captions, schemas.CAPTIONS)
    key, items = keys(captions), [CAPTION]
    rows = captions.select(*key, CAPTION)
    if settings.matches is not None:
        matches = run.read(settings.matches, schemas.MATCHES)
        rows = rows.join(matches.select(*key, ENTRY_IDS), on=key, how="left")
        rows = rows.withColumn(ENTRY_IDS, F.coalesce(ENTRY_IDS, F.array().cast("array<int>")))
        items = [CAPTION, ENTRY_IDS]
    others = {}
    if settings.entry_counts is not None:
        version = run.inputs[settings.entry_counts]
        entries = read_entry_counts(run.spark, settings.entry_counts, version)
        counts = counted_entries(entries, settings.entry_counts).counts
        others["entry_count.npy"] = npy(counts.astype(np.uint64))
    n_files = files_for(captions.count(), settings.rows_per_file)
    written = write_json_folder(
        rows,
        settings.output,
        name=settings.name,
        items=items,
        order=key,
        n_files=n_files,
        others=others,
    )
    return {"rows": written, "files": n_files}


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
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
