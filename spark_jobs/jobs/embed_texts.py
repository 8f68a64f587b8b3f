"""embed-texts: a unit vector for each caption, query or other text."""

from pydantic import Field, PositiveInt
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core.schemas import CAPTION
from spark_jobs.core.settings import InputAddress, OutputAddress
from spark_jobs.embedding.model_settings import ModelSettings
from spark_jobs.running.embed_table import embed_table
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run


class EmbedTexts(ModelSettings):
    """Settings of embed-texts."""

    input: InputAddress = Field(description="table of texts, with uid or query_id")
    column: str = Field(CAPTION, description="its column of texts")
    output: OutputAddress = Field(
        description="embeddings, a row per text; what is there already is not embedded again"
    )
    commits: PositiveInt = Field(
        16,
        le=10_000,
        description="parts of at least 10,000 rows; an interrupted run goes on after the last",
    )


def run(run: Run, settings: EmbedTexts) -> Counts:
    """Embed the texts that are not yet in the output."""
    required_columns = StructType([StructField(settings.column, StringType())])
    texts = run.read(settings.input, required_columns)
    return embed_table(
        run,
        texts,
        settings.column,
        settings,
        "text",
        source=settings.input,
        output=settings.output,
        commits=settings.commits,
    )


JOB = Job(
    "embed-texts",
    "Embed texts as unit vectors with an open_clip or sentence-transformers model.",
    EmbedTexts,
    run,
    example="captionlake embed-texts --input ./captions --output ./text_vectors",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
