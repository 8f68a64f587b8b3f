"""count-concepts: count the captions that mention each class of downstream data sets."""

import logging

from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.concepts.wordnet import noun_lemmatiser
from spark_jobs.core import schemas
from spark_jobs.core.column_values import WHOLE_TYPES
from spark_jobs.core.columns import require_column_type, require_columns
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION_COUNT, CLASS_IDX, CLASS_NAME, DATASET
from spark_jobs.core.settings import InputAddress, OneOrMore, OutputAddress, OutputFile, Settings
from spark_jobs.formats.class_files import (
    class_file_digests,
    read_class_file,
    read_class_files,
)
from spark_jobs.formats.label_files import write_class_frequencies
from spark_jobs.retrieval.class_queries import ClassQuery
from spark_jobs.retrieval.count import count_classes
from spark_jobs.retrieval.word_queries import one_letter_warnings, word_queries
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.small_files import read_folder
from udfs.text.word_match import Lemmatiser, words_of

_log = logging.getLogger(__name__)


class CountConcepts(Settings):
    """Settings of count-concepts."""

    captions: InputAddress = Field(description="table of captions, with uid and caption")
    classes: OneOrMore = Field(
        description="class files: YAML files, or names of those that come along; with alternatives "
        "and negatives where a class has them",
    )
    wordnet: InputAddress = Field(
        description="folder of WordNet 3.0's database files, for the nouns and their plurals"
    )
    weight: str | None = Field(
        None, description="column of the captions: how often each counts; default: once"
    )
    strict: bool = Field(False, description="stop at a faulty class; else it is told and left out")
    output: OutputAddress = Field(description="captions per class, those with none too")
    frequencies: OutputFile | None = Field(
        None, description="class-frequency file: a line a class, data set after data set"
    )

    def look_ahead(self) -> None:
        """Read the class files, so that a missing one is named before Spark starts."""
        read_class_files(self.classes)

    def own_files(self) -> dict[str, str]:
        """The class files."""
        return class_file_digests(self.classes)


def run(run: Run, settings: CountConcepts) -> Counts:
    """Count for all classes of all data sets in one pass over the captions."""
    captions = run.read(settings.captions, schemas.CAPTIONS)
    if settings.weight is not None:
        _check_weight(captions, settings.weight, settings.captions)
    files = read_folder(run.spark, settings.wordnet, ("index.noun", "noun.exc"))
    lemmatiser = noun_lemmatiser(files, settings.wordnet)
    queries, faults = _read_queries(settings, lemmatiser)
    run.check_outputs({settings.output: schemas.CLASS_COUNTS})
    with batches_that_fit(captions):
        counted = count_classes(captions, queries, lemmatiser, weight=settings.weight)
        run.write(counted.coalesce(1), settings.output)
    stored = run.read(settings.output, schemas.CLASS_COUNTS)
    if settings.frequencies is not None:
        dataset_order = {query.dataset: i for i, query in reversed([*enumerate(queries)])}
        rows = sorted(
            stored.collect(), key=lambda row: (dataset_order[row[DATASET]], row[CLASS_IDX])
        )
        frequencies = [(row[CLASS_NAME], row[CAPTION_COUNT]) for row in rows]
        write_class_frequencies(frequencies, settings.frequencies)
    n_classes_found = count_rows(stored.where(F.col(CAPTION_COUNT) > 0))
    counts = {"rows_in": count_rows(captions), "classes": len(queries)}
    return counts | {"faulty_classes": len(faults), "classes_found": n_classes_found}


def _check_weight(captions: DataFrame, weight: str, address: str) -> None:
    """Raise MissingColumnError or InputDataError unless the column holds whole numbers."""
    table = f"table {address}"
    require_columns(captions, table, [weight])
    require_column_type(captions, table, weight, WHOLE_TYPES, "whole numbers")


def _read_queries(
    settings: CountConcepts, lemmatiser: Lemmatiser
) -> tuple[list[ClassQuery], list[str]]:
    """The queries of all sound classes, and a line for each faulty one, which is logged too.

    Raises SettingsError where strict and a class is faulty, or none is sound.
    """

    def words(text: str) -> list[str]:
        return words_of(text, lemmatiser)

    queries: list[ClassQuery] = []
    faults: list[str] = []
    for name in settings.classes:
        file = read_class_file(name)
        file_queries, file_faults = word_queries(file, name, words)
        queries += file_queries
        faults += file_faults
        if not file_faults:
            for line in one_letter_warnings(file, name, words):
                _log.warning("%s", line)
    if faults and (settings.strict or not queries):
        raise SettingsError("; ".join(faults))
    for fault in faults:
        _log.warning("left out: %s", fault)
    return queries, faults


JOB = Job(
    "count-concepts",
    "Count the captions that mention each class of downstream data sets.",
    CountConcepts,
    run,
    example=(
        "captionlake count-concepts --captions ./captions --classes '[imagenet]' \\\n"
        "  --wordnet /usr/share/wordnet --output ./concept_counts"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
