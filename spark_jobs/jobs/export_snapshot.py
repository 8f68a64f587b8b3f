"""export-snapshot: a version of a table as plain parquet with a manifest, for training."""

from pyspark.sql import SparkSession

from spark_jobs.formats.snapshot_files import export_snapshot
from spark_jobs.formats.snapshot_settings import SnapshotSettings
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run


class ExportSnapshot(SnapshotSettings):
    """Settings of export-snapshot."""

    def folder_content(self) -> str:
        """Names the kind of files, so that those of another kind in the same folder stay."""
        return "export-snapshot"


def run(run: Run, settings: ExportSnapshot) -> Counts:
    """Write all rows of the table, or nothing."""
    return export_snapshot(run, settings, notes=lambda _: {}, finish=lambda _, __: None)


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
    shared_folders=("output",),
    example=(
        "captionlake export-snapshot --input ./curated/balanced_captions \\\n"
        "  --columns uid,caption --output ./snapshot"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
