"""demo: the quick start, on captions that it makes itself."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import Field, PositiveInt
from pyspark.sql import SparkSession

from spark_jobs import schemas
from spark_jobs.addresses import join_address, parse_address
from spark_jobs.demo.corpus import demo_captions
from spark_jobs.demo.summary import head_and_tail, summary_lines
from spark_jobs.errors import SettingsError
from spark_jobs.job import Pipeline, Step
from spark_jobs.jobs import build_concept_bank, curate
from spark_jobs.settings import Settings
from spark_jobs.tables import read_table


class Demo(Settings):
    """Settings of demo."""

    output: str = Field("./captionlake-demo", description="local folder for input and tables")
    rows: PositiveInt = Field(300_000, description="captions to make")
    t: PositiveInt = Field(20, description="captions per entry above which an entry is head")
    seed: int = Field(0, description="fixes the captions and every draw")


def steps(spark: SparkSession, settings: Demo) -> Iterator[Step]:
    """Make captions, build the bank of ImageNet-22k lemmas, then curate."""
    address = parse_address(settings.output)
    if not address.is_path or "://" in address.location:
        raise SettingsError(f"output {settings.output!r}: the demo needs a local folder")
    captions = _write_captions(Path(address.location) / "input", settings)
    bank = join_address(address.location, "concept_bank")
    yield Step(
        build_concept_bank.JOB,
        build_concept_bank.BuildConceptBank(
            sources=["imagenet22k"], parity=False, output=bank, workspace=settings.workspace
        ),
    )
    whole = curate.Curate(
        input=str(captions),
        bank=bank,
        t=settings.t,
        dedup="caption",
        seed=settings.seed,
        output=address.location,
        workspace=settings.workspace,
    )
    yield from curate.steps(spark, whole)


def closing(spark: SparkSession, settings: Demo) -> list[str]:
    """Head and tail before and after, and where the tables are."""
    folder = parse_address(settings.output).location
    entries = read_table(
        spark, join_address(folder, "entry_probabilities"), schemas.ENTRY_PROBABILITIES
    )
    summary = head_and_tail(entries.toPandas(), t=settings.t)
    return [*summary_lines(summary), "", f"The tables are in {folder}:", *_TABLES]


_TABLES = [
    "  captions             every caption, a row per uid",
    "  concept_bank         ImageNet-22k lemmas with their glosses",
    "  unique_captions      one row per distinct caption",
    "  matches              the entries that occur in each caption",
    "  entry_counts         captions per entry",
    "  entry_probabilities  counts before and after, and what an entry keeps",
    "  balanced_captions    the result",
    "  runs, rejected       what ran, and rows left out with the reason",
]


def _write_captions(folder: Path, settings: Demo) -> Path:
    """Write the made captions once, as a parquet file that other settings do not share."""
    file = folder / f"captions_{settings.rows}_seed{settings.seed}.parquet"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        writing = file.with_suffix(".writing")
        batches = demo_captions(settings.rows, settings.seed)
        first = next(batches)
        with pq.ParquetWriter(writing, first.schema) as writer:
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)
        writing.rename(file)
    return file


JOB = Pipeline(
    "demo",
    "Make captions, curate them, and show head and tail: the quick start.",
    Demo,
    steps,
    closing,
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
