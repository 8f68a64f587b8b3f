"""make-demo-captions: make synthetic captions with a long tail of concepts."""

from pydantic import Field, PositiveInt

from spark_jobs.core.settings import OutputAddress, Settings
from spark_jobs.demo.corpus import demo_captions, n_batches
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run


class MakeDemoCaptions(Settings):
    """Settings of make-demo-captions."""

    rows: PositiveInt = Field(300_000, le=10**12, description="captions to make")
    seed: int = Field(0, ge=0, description="fixes the captions")
    output: OutputAddress = Field(description="table with url and caption")


def run(run: Run, settings: MakeDemoCaptions) -> Counts:
    """Make the captions in batches, each by one task."""
    n = n_batches(settings.rows)
    batch_ids = run.spark.range(0, n, numPartitions=min(n, 64))
    captions = demo_captions(batch_ids, settings.rows, settings.seed)
    return {"rows": run.write(captions, settings.output)}


JOB = Job(
    "make-demo-captions",
    "Make captions with a long tail of concepts, to try things on.",
    MakeDemoCaptions,
    run,
    example="captionlake make-demo-captions --rows 100000 --output ./demo_captions",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
