"""gather-neighbours: the captions retrieved for each class by semantic search."""

from typing import Self

from pydantic import Field, model_validator
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs import schemas
from spark_jobs.errors import MissingColumnError
from spark_jobs.job import Counts, Job, Run
from spark_jobs.neighbours.gather import of_classes
from spark_jobs.published_chunks import SEMANTIC_FIELDS, write_chunks
from spark_jobs.schemas import DATASET, NSFW, QUERIES, SIMILARITY, UID
from spark_jobs.settings import InputAddress, OutputAddress, Settings


class GatherNeighbours(Settings):
    """Settings of gather-neighbours."""

    queries: InputAddress = Field(description="queries of make-queries")
    by_text: InputAddress | None = Field(
        None, description="neighbours of the queries among embeddings of texts"
    )
    by_image: InputAddress | None = Field(
        None, description="neighbours of the queries among embeddings of images"
    )
    captions: InputAddress = Field(description="table of captions, with uid and caption")
    drop_nsfw: list[str] = Field(
        ["NSFW"], description="values of the captions' column nsfw that are left out; [] for none"
    )
    output: OutputAddress = Field(
        description="the captions found, with dataset, query (the class) and similarity; once for "
        "each class"
    )
    chunks: OutputAddress | None = Field(
        None, description="folder for the published JSON chunks, a folder in it for each data set"
    )

    @model_validator(mode="after")
    def _has_neighbours(self) -> Self:
        if self.by_text is None and self.by_image is None:
            raise ValueError("give by_text, by_image, or both")
        return self


def run(run: Run, settings: GatherNeighbours) -> Counts:
    """Unite the searches, drop what is not safe, join the captions."""
    queries = run.read(
        settings.queries, StructType([*schemas.QUERY_TEXTS.fields[:1], *QUERIES.fields])
    )
    given = [address for address in (settings.by_text, settings.by_image) if address is not None]
    found = of_classes([run.read(address, schemas.NEIGHBOURS) for address in given], queries)
    captions = run.read(settings.captions, schemas.CAPTIONS)
    if settings.drop_nsfw and NSFW not in captions.columns:
        raise MissingColumnError(
            f"table {settings.captions} has no column {NSFW!r}; give --drop-nsfw '[]' to do without"
        )
    joined = captions.drop(SIMILARITY, *QUERIES.names).join(found, on=UID)
    if settings.drop_nsfw:
        is_unsafe = F.coalesce(F.col(NSFW).isin(settings.drop_nsfw), F.lit(False))
        joined = joined.where(~is_unsafe)
    rows = run.write(joined, settings.output)
    stored = run.read(settings.output, QUERIES)
    if settings.chunks is not None:
        datasets = sorted(row[DATASET] for row in queries.select(DATASET).distinct().collect())
        write_chunks(stored, settings.chunks, SEMANTIC_FIELDS, datasets, commit=run.commit())
    classes = queries.select(*QUERIES.names).distinct().count()
    return {
        "classes": classes,
        "classes_found": stored.select(*QUERIES.names).distinct().count(),
        "uids": stored.select(UID).distinct().count(),
        "rows": rows,
    }


JOB = Job(
    "gather-neighbours",
    "Gather what semantic search found for downstream classes (unmet-promise).",
    GatherNeighbours,
    run,
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
