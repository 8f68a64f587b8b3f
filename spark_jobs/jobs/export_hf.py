"""export-hf: a table as a data set that Hugging Face's `datasets` loads from its folder."""

import pyarrow as pa
from pydantic import Field
from pyspark.sql import SparkSession

from spark_jobs.core.addresses import parse_address
from spark_jobs.formats.dataset_card import CARD, dataset_card, schema_notes
from spark_jobs.formats.snapshot_files import export_snapshot
from spark_jobs.formats.snapshot_settings import SnapshotSettings
from spark_jobs.running.job import Job
from spark_jobs.storage.outputs.folders import write_file
from spark_jobs.storage.run import Counts, Run
from udfs.training.manifest import Manifest


class ExportHf(SnapshotSettings):
    """Settings of export-hf."""

    title: str | None = Field(
        None, min_length=1, description="title in README.md; default: the folder's name"
    )
    license: str | None = Field(
        None, pattern=r"^[a-z0-9.-]+$", description="licence in README.md, such as cc-by-4.0"
    )

    def folder_content(self) -> str:
        """Names the kind of files, so that those of another kind in the same folder stay."""
        return "export-hf"


def run(run: Run, settings: ExportHf) -> Counts:
    """Write all rows of the table, or nothing."""
    title = settings.title or parse_address(settings.output).location.rstrip("/").split("/")[-1]
    schemas: list[pa.Schema] = []

    def notes(schema: pa.Schema) -> dict[str, str]:
        schemas.append(schema)
        return schema_notes(schema)

    def write_card(folder: str, manifest: Manifest) -> None:
        card = dataset_card(" ".join(title.split()), schemas[0], manifest, settings.license)
        write_file(f"{folder}/{CARD}", card.encode())

    return export_snapshot(run, settings, notes=notes, finish=write_card)


def closing_lines(_spark: SparkSession, settings: ExportHf, _counts: Counts) -> list[str]:
    """What loads it."""
    return [f"  datasets.load_dataset({settings.output!r}, split='train') loads it"]


JOB = Job(
    "export-hf",
    "Write a table as a data set with a card, for Hugging Face's datasets.",
    ExportHf,
    run,
    closing_lines=closing_lines,
    shared_folders=("output",),
    example=(
        "captionlake export-hf --input ./curated/balanced_captions \\\n"
        "  --title 'Balanced captions' --output ./dataset"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
