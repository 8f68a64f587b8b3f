"""demo: the quick start, which makes captions and curates them."""

from collections.abc import Iterator

from pydantic import Field, PositiveInt
from pyspark.sql import SparkSession

from spark_jobs.core import schemas
from spark_jobs.core.addresses import join_address, parse_parent
from spark_jobs.core.settings import Settings, TablesFolder
from spark_jobs.demo.summary import head_and_tail, summary_lines
from spark_jobs.jobs import run
from spark_jobs.running.job import Pipeline, Step
from spark_jobs.storage.tables import read_table


class Demo(Settings):
    """Settings of demo."""

    output: TablesFolder = Field(
        "./captionlake-demo",
        validate_default=True,
        description="folder for the tables and the report",
    )
    rows: PositiveInt = Field(300_000, le=10**12, description="captions to make")
    t: PositiveInt = Field(20, description="captions per entry above which an entry is head")
    seed: int = Field(0, ge=0, description="fixes the captions and every draw")


def steps(spark: SparkSession, settings: Demo) -> Iterator[Step]:
    """The steps of the recipe `demo`."""
    recipe = run.RunRecipe(recipe="demo", **settings.model_dump())
    return run.JOB.steps(spark, recipe)


def closing_lines(spark: SparkSession, settings: Demo) -> list[str]:
    """Entry counts of head and tail before and after balancing."""
    folder = parse_parent(settings.output)
    entries = read_table(
        spark, join_address(folder, "entry_probabilities"), schemas.ENTRY_PROBABILITIES
    )
    summary = head_and_tail(entries.toPandas(), t=settings.t)
    return [*summary_lines(summary), ""]


JOB = Pipeline(
    "demo",
    "Make 300,000 captions, curate them, and show what happens to head and tail.",
    Demo,
    steps,
    closing_lines,
    example="captionlake demo",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
