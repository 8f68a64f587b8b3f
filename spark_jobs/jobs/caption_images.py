"""caption-images: captions that a model writes of images."""

from pydantic import Field, PositiveInt
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.captioning.caption_images import caption_images
from spark_jobs.captioning.caption_model_settings import CaptionModelSettings
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import (
    CAPTION,
    CAPTION_ID,
    CAPTION_SOURCE,
    FAULT,
    IMAGE_CAPTIONS,
    MODEL,
    STRATEGY,
    UID,
    WEIGHTS,
)
from spark_jobs.core.settings import InputAddress, OutputAddress
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.embedding.embed import with_item_hash
from spark_jobs.formats.image_input import read_images
from spark_jobs.running.embed_table import n_model_tasks
from spark_jobs.running.job import Job
from spark_jobs.running.missing_rows import Make, Output, make_missing_rows
from spark_jobs.storage.batches import batches_of, rows_by_size
from spark_jobs.storage.run import Counts, Run
from udfs.captioning.caption_model import architecture_of
from udfs.captioning.image_captions import Captioning

_MIN_IMAGES_PER_TASK = 16  # as long as a model takes to load
_MAX_IMAGES_PER_TASK = 2_000  # so that a task that is lost loses little
_MIN_IMAGES_PER_COMMIT = 1_000
_IMAGES_AT_ONCE = 64  # of a batch that Spark hands to Python


class CaptionImages(CaptionModelSettings):
    """Settings of caption-images."""

    input: InputAddress = Field(
        description="table of images, with uid; or what read-images takes: shards, image files, "
        "img2dataset's parquet"
    )
    column: str = Field(
        "image",
        description="of a table, its column of encoded images, or of paths that every worker can "
        "read",
    )
    caption_source: str | None = Field(
        None,
        min_length=1,
        description="value of that column, by which mixes and measures tell captions apart; "
        "default: blip, blip2 or coca",
    )
    output: OutputAddress = Field(
        description="captions, a row each; an image that is there already is not captioned again"
    )
    commits: PositiveInt = Field(
        10,
        le=10_000,
        description="parts of at least 1,000 images, each of which reads the input once; an "
        "interrupted run goes on after the last",
    )


def run(run: Run, settings: CaptionImages) -> Counts:
    """Caption the images that are not yet in the output."""
    model, weights = settings.caption_model, settings.weights_digest()
    work = Captioning(model, settings.decoding, settings.batch_size)
    source = settings.caption_source or architecture_of(model)
    images = read_images(run, settings.input, settings.column)
    refuse_repeated_or_null_keys(
        images, [UID], settings.input, "expected one row an image; read-images leaves one"
    )

    def prepare(_missing: DataFrame, n_missing: int, n_parts: int) -> Make:
        n_images = n_missing // n_parts
        n_tasks = n_model_tasks(
            run, n_images, least=_MIN_IMAGES_PER_TASK, most=_MAX_IMAGES_PER_TASK
        )
        return lambda rows: caption_images(
            rows, work, source=source, weights=weights, n_tasks=n_tasks
        )

    constants = {
        CAPTION_SOURCE: source,
        MODEL: model.name,
        WEIGHTS: weights,
        STRATEGY: work.label(),
    }
    is_current = F.lit(True)
    for name, value in constants.items():
        is_current = is_current & (named(name) == value)
    output = Output(
        settings.output,
        IMAGE_CAPTIONS,
        is_current=is_current,
        commits=settings.commits,
        rows_per_commit=_MIN_IMAGES_PER_COMMIT,
        prepare=prepare,
        is_first=F.col(CAPTION_ID) == 0,
    )
    wanted = with_item_hash(images, [UID], settings.column, keeps_faults=True)
    with batches_of(run.spark, min(_IMAGES_AT_ONCE, _rows_at_once(images, settings.column))):
        n_images, captioned = make_missing_rows(run, images, wanted, [UID], output, settings.input)
    sums = run.read(settings.output, IMAGE_CAPTIONS).agg(F.count(FAULT), F.count(CAPTION)).first()
    assert sums is not None  # an aggregate without groups has one row
    return {
        "rows_in": n_images,
        "captioned": captioned,
        "kept": n_images - captioned,
        "faulty": sums[0],
        "captions": sums[1],
    }


def _rows_at_once(images: DataFrame, column: str) -> int:
    """Images that a batch may have by their bytes; paths are short."""
    return rows_by_size(images, F.octet_length(named(column)))


def closing_lines(_spark: SparkSession, _settings: CaptionImages, counts: Counts) -> list[str]:
    """Where to look for images without a caption."""
    if not counts["faulty"]:
        return []
    return [f"  {counts['faulty']:,} images have no caption, and the reason in `fault`"]


JOB = Job(
    "caption-images",
    "Have a model caption images: BLIP, BLIP-2 or CoCa, by sampling or beam search.",
    CaptionImages,
    run,
    closing_lines=closing_lines,
    shared_folders=("input",),
    example=(
        "captionlake caption-images --input ./images --output ./blip2 \\\n"
        "  --model Salesforce/blip2-opt-2.7b --captions 2"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
