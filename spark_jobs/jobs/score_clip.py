"""score-clip: CLIP score of each caption, the cosine of its embedding and its image's."""

import logging

from pydantic import Field
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.schemas import MODEL, SCORE, UID, WEIGHTS
from spark_jobs.core.settings import InputAddress, OutputAddress, Settings
from spark_jobs.core.unique_keys import refuse_repeated_or_null_keys
from spark_jobs.formats.embeddings import read_embeddings, refuse_other_model
from spark_jobs.running.job import Job
from spark_jobs.scoring.of_pairs import score_pairs
from spark_jobs.storage.run import Counts, Run

_log = logging.getLogger(__name__)


class ScoreClip(Settings):
    """Settings of score-clip."""

    images: InputAddress = Field(description="embeddings of images, with uid (embed-images)")
    captions: InputAddress = Field(
        description="embeddings of their captions by the same model, with uid and, where an image "
        "has several, raw and synthetic ones, caption_id (embed-texts)"
    )
    output: OutputAddress = Field(
        description="scores, for each caption a cosine in [-1, 1], to six decimals"
    )


def run(run: Run, settings: ScoreClip) -> Counts:
    """Join the vectors of captions and images by uid, and score each caption.

    A caption counts once: as scored, without_vector, or without_image, the last also where its
    image is there but has no vector.
    """
    images = read_embeddings(run, settings.images)
    captions = read_embeddings(run, settings.captions)
    refuse_other_model(images, captions)
    refuse_repeated_or_null_keys(images.rows, [UID], images.address, "expected one vector an image")
    refuse_repeated_or_null_keys(
        captions.rows, captions.key, captions.address, "expected one vector a caption"
    )
    model, weights = captions.model
    names = images.address, captions.address
    scored = score_pairs(images.rows, captions.rows, names=names)
    constants = {MODEL: model, WEIGHTS: weights}
    other_columns = [
        F.lit(constants.get(field.name)).cast(field.dataType).alias(field.name)
        for field in schemas.SCORES.fields[1:-1]
    ]
    rows = run.write(scored.select(*captions.key, *other_columns, SCORE), settings.output)
    if not rows:
        _log.warning(
            "no uid of %s is one of %s: nothing was scored", settings.captions, settings.images
        )
    return {
        "captions": captions.n_rows + captions.n_without,
        "scored": rows,
        "without_vector": captions.n_without,
        "without_image": captions.n_rows - rows,
    }


JOB = Job(
    "score-clip",
    "Compute CLIP scores: the cosine of each image's vector and its caption's vector.",
    ScoreClip,
    run,
    example=(
        "captionlake score-clip --images ./image_vectors \\\n"
        "  --captions ./clip_text_vectors --output ./scores"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
