"""search-substrings: captions for each downstream class, by text search (Geng et al. 2024)."""

import logging
from typing import Self

from pydantic import Field, model_validator

from spark_jobs.core import schemas
from spark_jobs.core.columns import warn_of_replaced_columns
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import DATASET, QUERY
from spark_jobs.core.settings import InputAddress, OneOrMore, OutputAddress, OutputFolder, Settings
from spark_jobs.formats.class_files import class_file_digests, read_class_file
from spark_jobs.formats.retrieval_chunks import TEXT_FIELDS, write_chunks
from spark_jobs.retrieval.class_queries import ClassQuery, class_queries
from spark_jobs.retrieval.phrases import RULES, SearchRule
from spark_jobs.retrieval.search import search_captions
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run

_log = logging.getLogger(__name__)


class SearchSubstrings(Settings):
    """Settings of search-substrings."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    queries: OneOrMore = Field(
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
    chunks: OutputFolder | None = Field(
        None, description="folder for the published JSON chunks, a folder in it for each data set"
    )

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        """Raise faults of class files before a Spark session starts."""
        _, faults = self.read_queries()
        if faults and self.strict:
            raise ValueError("; ".join(faults))
        return self

    def own_files(self) -> dict[str, str]:
        """The class files."""
        return class_file_digests(self.queries)

    def read_queries(self) -> tuple[list[ClassQuery], list[str]]:
        """The queries of all sound classes, and a line for each faulty class."""
        rule = RULES[self.rule]
        names_are_phrases = rule.names_are_phrases
        by_file = [
            class_queries(
                read_class_file(f), f, rule.tokens_of, names_are_phrases=names_are_phrases
            )
            for f in self.queries
        ]
        queries = [query for file_queries, _ in by_file for query in file_queries]
        return queries, [fault for _, file_faults in by_file for fault in file_faults]


def run(run: Run, settings: SearchSubstrings) -> Counts:
    """Search for all classes in one pass, and write the chunks from the stored captions."""
    queries, faults = settings.read_queries()
    for fault in faults:
        _log.warning("left out: %s", fault)
    if not queries:
        raise SettingsError("no class is left: " + "; ".join(faults))
    captions = run.read(settings.captions, schemas.CAPTIONS)
    warn_of_replaced_columns(captions, f"table {settings.captions}", schemas.QUERIES.names)
    found_captions = search_captions(captions, queries, settings.rule)
    run.check_outputs({settings.output: found_captions.schema})
    with batches_that_fit(captions):
        rows = run.write(found_captions, settings.output, few_files=True)
    stored = run.read(settings.output, schemas.QUERIES)
    n_classes_found = count_rows(stored.select(DATASET, QUERY).distinct())
    if settings.chunks is not None:
        datasets = list(dict.fromkeys(query.dataset for query in queries))
        metadata = run.output_metadata(settings.chunks)
        write_chunks(
            stored, settings.chunks, TEXT_FIELDS, datasets, metadata=metadata, is_empty_null=True
        )
    return {
        "rows_in": count_rows(captions),
        "classes": len(queries),
        "faulty_classes": len(faults),
        "rows": rows,
        "classes_found": n_classes_found,
    }


JOB = Job(
    "search-substrings",
    "Find captions for the classes of downstream data sets by text queries (unmet-promise).",
    SearchSubstrings,
    run,
    example=(
        "captionlake search-substrings --captions ./captions --queries '[imagenet]' \\\n"
        "  --output ./retrieved"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
