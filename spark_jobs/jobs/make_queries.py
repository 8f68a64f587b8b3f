"""make-queries: make prompts of downstream classes, to embed and search with."""

from collections import Counter
from typing import Literal

from pydantic import Field
from pyspark.sql.types import StructType

from spark_jobs.concepts.imagenet_prompts import imagenet_templates
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import QUERY_TEXTS
from spark_jobs.core.settings import OneOrMore, OutputAddress, Settings
from spark_jobs.formats.class_files import (
    class_file_digests,
    read_class_file,
    read_class_files,
)
from spark_jobs.retrieval.prompts import prompts
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run


class MakeQueries(Settings):
    """Settings of make-queries."""

    classes: OneOrMore = Field(
        description="class files: YAML files, or names of those that come along (imagenet, "
        "stanford_cars, fgvc_aircraft, flowers102, dtd)",
    )
    templates: Literal["own", "openai80"] = Field(
        "own", description="own: those of each class file; openai80: OpenAI's for ImageNet"
    )
    output: OutputAddress = Field(
        description="query_id, caption (the prompt), dataset and query (the class)"
    )

    def look_ahead(self) -> None:
        """Read the class files, so that a missing one is named before Spark starts."""
        read_class_files(self.classes)

    def own_files(self) -> dict[str, str]:
        """The class files."""
        return class_file_digests(self.classes)


def run(run: Run, settings: MakeQueries) -> Counts:
    """Put each class into each template; raise InputDataError if two queries get one query_id."""
    templates = imagenet_templates() if settings.templates == "openai80" else None
    files = [read_class_file(name) for name in settings.classes]
    rows = [
        (query_id, text, file.dataset, name)
        for file in files
        for query_id, name, text in prompts(file, templates)
    ]
    repeated_id = next((key for key, n in Counter(row[0] for row in rows).items() if n > 1), None)
    if repeated_id is not None:
        raise InputDataError(
            f"class files {', '.join(settings.classes)}: several queries are called "
            f"{repeated_id!r}; each class of a data set must be there once"
        )
    schema = StructType(QUERY_TEXTS.fields)
    n_queries = run.write(run.spark.createDataFrame(rows, schema).coalesce(1), settings.output)
    classes = {(dataset, name) for _, _, dataset, name in rows}
    return {"datasets": len(files), "classes": len(classes), "queries": n_queries}


JOB = Job(
    "make-queries",
    "Write the prompts of downstream classes, which search-neighbours searches with.",
    MakeQueries,
    run,
    example="captionlake make-queries --classes '[imagenet, dtd]' --output ./queries",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
