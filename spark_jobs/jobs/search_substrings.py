"""search-substrings: captions for each class of downstream data sets, found by text queries."""

import logging
from typing import Self

from pydantic import Field, field_validator, model_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs import schemas
from spark_jobs.addresses import join_address
from spark_jobs.arrow_batches import batches_that_fit
from spark_jobs.errors import SettingsError
from spark_jobs.folders import files_for, write_json_folder
from spark_jobs.job import Counts, Job, Run
from spark_jobs.retrieval.class_file import (
    ClassQuery,
    class_file_digests,
    class_queries,
    read_class_file,
)
from spark_jobs.retrieval.phrases import RULES, SearchRule
from spark_jobs.retrieval.search import search_captions
from spark_jobs.schemas import CAPTION, DATASET, HEIGHT, LICENSE, NSFW, QUERY, UID, URL, WIDTH
from spark_jobs.settings import InputAddress, OutputAddress, Settings

_log = logging.getLogger(__name__)

_CHUNK_ROWS = 500_000
_ITEM = "item"
# The fields of a published chunk, and what they are called here.
_FIELDS = {
    "SAMPLE_ID": "SAMPLE_ID",
    **{"URL": URL, "TEXT": CAPTION, "HEIGHT": HEIGHT, "WIDTH": WIDTH, "LICENSE": LICENSE},
    **{"NSFW": NSFW, "similarity": schemas.SIMILARITY, "QUERY": QUERY},
}
_WHOLE = {"SAMPLE_ID", "HEIGHT", "WIDTH"}


class SearchSubstrings(Settings):
    """Settings of search-substrings."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    queries: list[str] = Field(
        min_length=1,
        description="class files: YAML files, or names of those that come along (imagenet, "
        "stanford_cars, fgvc_aircraft, flowers102, dtd)",
    )
    rule: SearchRule = Field(
        "fts",
        description="fts: words, phrases, AND, OR, NOT as SQLite's FTS5 takes them, accents and "
        "case aside; substring: a name or phrase is found as it stands, also inside words, case "
        "aside",
    )
    strict: bool = Field(False, description="stop at a faulty class; else it is told and left out")
    output: OutputAddress = Field(
        description="the captions found, with dataset and query; a row for each class"
    )
    chunks: OutputAddress | None = Field(
        None, description="folder for the published JSON chunks, a folder in it for each data set"
    )

    @field_validator("queries", mode="before")
    @classmethod
    def _one_file_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        """Faults of class files are told before a session starts."""
        _, faults = self.read_queries()
        if faults and self.strict:
            raise ValueError("; ".join(faults))
        return self

    def own_files(self) -> dict[str, str]:
        """The class files."""
        return class_file_digests(self.queries)

    def read_queries(self) -> tuple[list[ClassQuery], list[str]]:
        """The queries of all classes, and a line for each faulty one."""
        rule = RULES[self.rule]
        whole = rule.names_are_phrases
        read = [
            class_queries(read_class_file(f), f, rule.tokens_of, names_are_phrases=whole)
            for f in self.queries
        ]
        queries = [query for of_file, _ in read for query in of_file]
        return queries, [fault for _, faults in read for fault in faults]


def run(run: Run, settings: SearchSubstrings) -> Counts:
    """Search for all classes at once, then write the chunks of what is stored."""
    queries, faults = settings.read_queries()
    for fault in faults:
        _log.warning("left out: %s", fault)
    if not queries:
        raise SettingsError("no class is left: " + "; ".join(faults))
    captions = run.read(settings.captions, schemas.CAPTIONS)
    found = search_captions(captions, queries, settings.rule)
    run.check_outputs({settings.output: found.schema})
    with batches_that_fit(captions):
        rows = run.write(found, settings.output)
    stored = run.read(settings.output, schemas.QUERIES)
    counted = stored.groupBy(DATASET).agg(
        F.count("*").alias("n"), F.countDistinct(QUERY).alias("classes")
    )
    per_dataset = {row[DATASET]: row for row in counted.collect()}
    if settings.chunks is not None:
        for dataset in dict.fromkeys(query.dataset for query in queries):
            of_dataset = stored.where(F.col(DATASET) == dataset)
            n = per_dataset[dataset]["n"] if dataset in per_dataset else 0
            _write_chunks(of_dataset, join_address(settings.chunks, dataset), n)
    return {
        "rows_in": captions.count(),
        "classes": len(queries),
        "faulty_classes": len(faults),
        "rows": rows,
        "classes_found": sum(row["classes"] for row in per_dataset.values()),
    }


def _write_chunks(found: DataFrame, folder: str, rows: int) -> None:
    items = found.withColumn(_ITEM, _published(found))
    write_json_folder(
        items,
        folder,
        name="chunk",
        items=[_ITEM],
        order=[QUERY, UID],
        n_files=files_for(rows, _CHUNK_ROWS),
        others={},
    )


def _published(found: DataFrame) -> Column:
    """A row as the object of a chunk: numbers whole where they were, empty and 0 as null."""
    fields = []
    for name, column in _FIELDS.items():
        value = F.col(column) if column in found.columns else F.lit(None)
        value = value.cast("double").cast("long") if name in _WHOLE else value
        fields.append(F.when(value.cast("string").isin("", "0", "0.0"), None).otherwise(value))
    return F.struct(*(f.alias(name) for f, name in zip(fields, _FIELDS, strict=True)))


JOB = Job(
    "search-substrings",
    "Find captions for the classes of downstream data sets by text queries (unmet-promise).",
    SearchSubstrings,
    run,
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
