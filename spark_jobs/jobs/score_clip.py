"""score-clip: how near each image is to its captions."""

from pydantic import Field
from pyspark.sql import functions as F

from spark_jobs import schemas
from spark_jobs.columns import keys
from spark_jobs.embedding_reading import read_embeddings, refuse_other_model
from spark_jobs.job import Counts, Job, Run
from spark_jobs.schemas import MODEL, SCORE, WEIGHTS
from spark_jobs.scoring.of_pairs import score_pairs
from spark_jobs.settings import InputAddress, OutputAddress, Settings


class ScoreClip(Settings):
    """Settings of score-clip."""

    images: InputAddress = Field(description="embeddings of images, with uid (embed-images)")
    captions: InputAddress = Field(
        description="embeddings of their captions by the same model, with uid and, where an image "
        "has several, raw and synthetic ones, caption_id (embed-texts)"
    )
    output: OutputAddress = Field(description="scores, a cosine in [-1, 1] for each caption")


def run(run: Run, settings: ScoreClip) -> Counts:
    """Join the vectors of images and captions and compare them."""
    images = read_embeddings(run, settings.images)
    captions = read_embeddings(run, settings.captions)
    refuse_other_model(images, captions)
    model, weights = captions.model
    scored = score_pairs(images.rows, captions.rows)
    known = {MODEL: model, WEIGHTS: weights}
    others = [
        F.lit(known.get(field.name)).cast(field.dataType).alias(field.name)
        for field in schemas.SCORES.fields[1:-1]
    ]
    rows = run.write(scored.select(*keys(scored), *others, SCORE), settings.output)
    n_captions = captions.n_rows
    return {"captions": n_captions, "scored": rows, "without_image": n_captions - rows}


JOB = Job("score-clip", "Compare images with their captions (CLIP score).", ScoreClip, run)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
