"""score-definitions: text similarity of each caption to the definition of its synset."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.columns import keys
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CAPTION, EMBEDDING, LEMMAS, MODEL, QUERY_ID, WEIGHTS, WNID
from spark_jobs.core.settings import InputAddress, OutputAddress
from spark_jobs.embedding.embed import embed, with_item_hash
from spark_jobs.embedding.model_settings import ModelSettings
from spark_jobs.formats.synset_settings import SynsetSettings
from spark_jobs.formats.synsets import NAMED_LISTS, read_definitions
from spark_jobs.running.embed_table import n_model_tasks
from spark_jobs.running.job import Job
from spark_jobs.scoring.definitions import (
    Definition,
    QueryKey,
    QueryType,
    query_text,
    similarity_column,
)
from spark_jobs.scoring.to_definitions import (
    captions_with_one_synset,
    narrow,
    score_captions,
    with_query,
)
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run
from udfs.vectors import Vectors, matrix

_TAB = "\t"
_MAX_QUERY_BYTES = 1 << 30  # for the vectors of all queries, which each task holds in memory


class ScoreDefinitions(ModelSettings, SynsetSettings):
    """Settings of score-definitions."""

    labels: InputAddress = Field(
        description="labelled captions of label-synsets; those of one synset are scored"
    )
    synsets: str = Field(
        "imagenet1k",
        description=f"{', '.join(NAMED_LISTS)}, or a table with wnid, lemma and gloss",
    )
    query_types: list[QueryType] = Field(
        ["name_def"], min_length=1, description="forms of the query, each with a score"
    )
    query_key: QueryKey = Field(
        "wnid",
        description="wnid: the query names the synset; lemma: it has the caption's lemma for the "
        "name, and captions of two lemmas are left out",
    )
    carry: bool = Field(
        False,
        description="keep the captions' columns, with a column text_to_TYPE_KEY_similarity for "
        "each query type, in place of a row for each",
    )
    output: OutputAddress = Field(description="scores, cosines in [-1, 1]")


def run(run: Run, settings: ScoreDefinitions) -> Counts:
    """Embed the queries, then score each caption by its synset's (Shirali & Hardt 2023).

    Captions of several synsets are left out; with query_key "lemma", also those of several lemmas.
    """
    by_lemma = settings.query_key == "lemma"
    required_columns = schemas.LABELLED if by_lemma else schemas.CAPTIONS_WITH_WNID
    table = labels = run.read(settings.labels, required_columns)
    definitions = read_definitions(run, settings.synsets)
    columns = {similarity_column(kind, settings.query_key): kind for kind in settings.query_types}
    if not settings.carry:
        labels = table.select(*keys(table), *required_columns.names[1:])
    single_synset_rows = captions_with_one_synset(labels.drop(*columns))
    key = F.col(WNID)
    if by_lemma:
        single_synset_rows = single_synset_rows.where(F.size(LEMMAS) == 1)
        key = F.concat_ws(_TAB, WNID, F.get(LEMMAS, F.lit(0)))
    queries = _queries(definitions, by_lemma)
    rows = with_query(single_synset_rows, key, list(queries))
    query_texts = {
        column: [query_text(kind, definition, lemma) for definition, lemma in queries.values()]
        for column, kind in columns.items()
    }
    digest = settings.weights_digest()
    vectors = _embed_queries(run, settings, query_texts, digest)
    n_rows = count_rows(rows)
    scored = score_captions(rows, vectors, settings.spec, n_tasks=n_model_tasks(run, n_rows))
    if not settings.carry:
        query_labels = {
            column: (str(kind), str(settings.query_key)) for column, kind in columns.items()
        }
        scored = narrow(scored, query_labels, {MODEL: settings.spec.label, WEIGHTS: digest})
    with batches_that_fit(table):
        written = run.write(scored, settings.output)
    n_captions = count_rows(labels.select(*keys(labels)).distinct())
    return {
        "rows_in": n_captions,
        "scored": n_rows,
        "left_out": n_captions - n_rows,
        "rows": written,
    }


def _queries(
    definitions: Sequence[Definition], by_lemma: bool
) -> dict[str, tuple[Definition, str | None]]:
    """Query key -> definition and, by lemma, the lemma that takes the place of the name."""
    if not by_lemma:
        return {definition.wnid: (definition, None) for definition in definitions}
    return {f"{d.wnid}{_TAB}{lemma}": (d, lemma) for d in definitions for lemma in d.lemmas}


def _embed_queries(
    run: Run, settings: ScoreDefinitions, query_texts: Mapping[str, Sequence[str]], digest: str
) -> dict[str, Vectors]:
    """Embed the queries on executors, each distinct text once: column -> unit vectors."""
    distinct = list(dict.fromkeys(text for texts in query_texts.values() for text in texts))
    rows = pd.DataFrame({QUERY_ID: range(len(distinct)), CAPTION: distinct})
    table = with_item_hash(run.spark.createDataFrame(rows), [QUERY_ID], CAPTION)
    embedded = embed(
        table,
        settings.spec,
        "text",
        weights=digest,
        n_tasks=n_model_tasks(run, len(distinct)),
    )
    vectors = _collect_by_query_id(embedded, len(distinct), settings.model)
    _refuse_too_large(sum(map(len, query_texts.values())), vectors.shape[1])
    position_of = {text: position for position, text in enumerate(distinct)}
    return {
        column: vectors[[position_of[text] for text in texts]]
        for column, texts in query_texts.items()
    }


def _collect_by_query_id(embedded: DataFrame, n_texts: int, model: str) -> Vectors:
    """Collect the vectors, shape (n_texts, dimension); the row is the query_id."""
    vectors: Vectors | None = None
    for batch in record_batches(embedded.select(QUERY_ID, EMBEDDING)):
        if batch.column(EMBEDDING).null_count:
            raise InputDataError(f"model {model} gives no vector for a definition")
        batch_vectors = matrix(batch.column(EMBEDDING))
        if vectors is None:
            vectors = np.empty((n_texts, batch_vectors.shape[1]), np.float32)
        vectors[batch.column(QUERY_ID).to_numpy()] = batch_vectors
    assert vectors is not None  # there is a query, as each synset has a definition
    return vectors


def _refuse_too_large(n_queries: int, dimension: int) -> None:
    """Raise InputDataError if the queries' vectors are too many bytes to send to each task."""
    if 4 * n_queries * dimension > _MAX_QUERY_BYTES:
        raise InputDataError(
            f"{n_queries:,} queries of {dimension} numbers are more than the "
            f"{_MAX_QUERY_BYTES >> 20:,} MiB that each task takes: give fewer query_types in one "
            "run, or a table of fewer synsets"
        )


JOB = Job(
    "score-definitions",
    "Compute the similarity of labelled captions to their synsets' definitions (LAIONet).",
    ScoreDefinitions,
    run,
    example=(
        "captionlake score-definitions --labels ./labels --synsets laionet --carry \\\n"
        "  --output ./scored_captions"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
