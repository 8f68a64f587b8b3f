"""make-demo-images: draw pictures of shapes, of which few are frequent and many are rare."""

import math

from pydantic import Field, PositiveInt

from spark_jobs.core import schemas
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.settings import OutputAddress, OutputFile, Settings
from spark_jobs.running.job import Job
from spark_jobs.storage.outputs.files import write_output_file
from spark_jobs.storage.run import Counts, Run
from udfs.images.drawn_shapes import BATCH_ROWS, SHAPES, make_pictures


class MakeDemoImages(Settings):
    """Settings of make-demo-images."""

    rows: PositiveInt = Field(6_000, le=10**9, description="pictures to draw")
    exponent: float = Field(
        1.3,
        ge=0,
        le=10,
        description="of Zipf's law: the k-th shape has about 1 / k**exponent of the pictures; 0: "
        "all shapes have as many, as in a test set",
    )
    seed: int = Field(0, ge=0, description="fixes the pictures")
    output: OutputAddress = Field(description="table with uid, caption, shape and image")
    names: OutputFile | None = Field(
        None, description="text file of the shapes' names, a line each, which is a concept bank"
    )


def run(run: Run, settings: MakeDemoImages) -> Counts:
    """Draw the pictures in batches, each by one task."""
    n_batches = math.ceil(settings.rows / BATCH_ROWS)
    numbers = run.spark.range(0, n_batches, numPartitions=min(n_batches, 64))
    names = schemas.DEMO_IMAGES.names
    make = make_pictures(settings.rows, settings.exponent, settings.seed, names=names)
    rows = run.write(map_in_arrow(numbers, make, schemas.DEMO_IMAGES), settings.output)
    if settings.names is not None:
        write_output_file(settings.names, (f"{name}\n".encode() for name in SHAPES))
    return {"rows": rows, "shapes": len(SHAPES)}


JOB = Job(
    "make-demo-images",
    "Draw pictures of shapes with captions, of which most shapes are rare, to try things on.",
    MakeDemoImages,
    run,
    example="captionlake make-demo-images --rows 6000 --output ./demo_images",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
