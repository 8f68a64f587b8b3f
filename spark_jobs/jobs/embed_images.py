"""embed-images: a unit vector for each image."""

from typing import Self

from pydantic import Field, PositiveInt, model_validator

from spark_jobs.core.settings import InputAddress, OutputAddress
from spark_jobs.embedding.model_settings import ModelSettings
from spark_jobs.formats.image_input import read_image_table
from spark_jobs.running.embed_table import embed_table
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run


class EmbedImages(ModelSettings):
    """Settings of embed-images."""

    input: InputAddress = Field(description="table of images, with uid")
    column: str = Field(
        "image", description="its column of encoded images, or of paths that every worker can read"
    )
    output: OutputAddress = Field(
        description="embeddings, a row per image; what is there already is not embedded again"
    )
    commits: PositiveInt = Field(
        1,
        le=10_000,
        description="parts of at least 10,000 rows, each of which reads the input once",
    )

    @model_validator(mode="after")
    def _has_an_image_tower(self) -> Self:
        if self.spec.framework == "sentence_transformers":
            raise ValueError(f"model {self.model} has no image tower: --model open_clip:NAME")
        return self


def run(run: Run, settings: EmbedImages) -> Counts:
    """Embed the images that are not yet in the output."""
    images = read_image_table(run, settings.input, settings.column)
    return embed_table(
        run,
        images,
        settings.column,
        settings,
        "image",
        source=settings.input,
        output=settings.output,
        commits=settings.commits,
    )


JOB = Job(
    "embed-images",
    "Embed images as unit vectors with an open_clip model.",
    EmbedImages,
    run,
    example=(
        "captionlake embed-images --input ./images --output ./image_vectors \\\n"
        "  --model open_clip:ViT-B-32 --weights openai"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
