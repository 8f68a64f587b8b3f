"""export-snapshot: a version of a table as plain parquet with a manifest, for training."""

from pydantic import Field, PositiveInt
from pyspark.sql import SparkSession

from spark_jobs.core import schemas
from spark_jobs.core.columns import keys, require_columns
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.redaction import redacted
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.settings import InputAddress, Names, OutputFolder, Settings
from spark_jobs.formats.snapshot_files import Sizes, write_snapshot
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.run import Counts, Run


class ExportSnapshot(Settings):
    """Settings of export-snapshot."""

    input: InputAddress = Field(description="table with uid, such as balanced_captions")
    columns: Names = Field([], description="columns to write; default: all")
    row_group_rows: PositiveInt = Field(
        10_000,
        le=10**7,
        description="rows of a row group, the least that a reader reads at once",
    )
    rows_per_file: PositiveInt = Field(
        1_000_000, le=10**9, description="rows that a file holds at most, but for rare chance"
    )
    seed: int = Field(0, description="decides the file of each row, and its place there")
    output: OutputFolder = Field(
        description="folder for manifest.json and the files, data/rows-00000.parquet and so on"
    )

    def folder_content(self) -> str:
        """Names the kind of files, so that those of another kind in the same folder stay."""
        return "export-snapshot"


def run(run: Run, settings: ExportSnapshot) -> Counts:
    """Write all rows of the table, or nothing."""
    rows, called = run.read(settings.input, schemas.EMPTY), f"table {settings.input}"
    require_columns(rows, called, keys(rows)[:1])
    columns = settings.columns or rows.columns
    require_columns(rows, called, columns)
    n_rows, metadata = count_rows(rows), run.output_metadata(settings.output)
    with (
        batches_that_fit(rows),
        replaced_folder(settings.output, metadata, content=settings.folder_content()) as folder,
    ):
        manifest = write_snapshot(
            rows,
            columns,
            folder,
            n_rows=n_rows,
            sizes=Sizes(settings.row_group_rows, settings.rows_per_file),
            draw=run.draw("export-snapshot", settings.seed),
            source=redacted(settings.input),
            version=run.inputs[settings.input],
            notes={},
        )
        if manifest.rows != n_rows:
            raise InputDataError(
                f"{called} has {n_rows:,} rows, but {manifest.rows:,} were read: it changed while "
                "it was read; run again"
            )
    n_groups = sum(len(file.row_groups) for file in manifest.files)
    return {
        "rows_in": n_rows,
        "rows": manifest.rows,
        "files": len(manifest.files),
        "row_groups": n_groups,
    }


def closing_lines(_spark: SparkSession, settings: ExportSnapshot, _counts: Counts) -> list[str]:
    """What reads it."""
    return [
        f"  captionlake.training.open_snapshot({settings.output!r}) opens it for training",
    ]


JOB = Job(
    "export-snapshot",
    "Write a version of a table as plain parquet with a manifest, for training.",
    ExportSnapshot,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake export-snapshot --input ./curated/balanced_captions \\\n"
        "  --columns uid,caption --output ./snapshot"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
