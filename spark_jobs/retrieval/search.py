"""Captions found for the queries of all classes of all data sets, in one pass."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from spark_jobs.retrieval.class_file import ClassQuery
from spark_jobs.retrieval.programs import numbered_phrases, programs
from spark_jobs.schemas import CAPTION, QUERIES
from udfs.arrow import Batches, BatchFunction
from udfs.compiled import one_compiles
from udfs.text.boolean_match import match_queries
from udfs.text.fts_match import phrase_trie, unicode61
from udfs.text.lists import rows_of
from udfs.text.token_match import match_captions


def search_captions(captions: DataFrame, queries: Sequence[ClassQuery]) -> DataFrame:
    """The captions for which a query holds, with dataset and query; a row for each of both.

    unmet-promise's substring retrieval (Geigle et al. 2024). Order: that of the captions, then of
    the queries.
    """
    kept = captions.drop(*QUERIES.names)
    return kept.mapInArrow(searching(queries), StructType([*QUERIES, *kept.schema]))


def searching(queries: Sequence[ClassQuery]) -> BatchFunction:
    """The function of mapInArrow behind `search_captions`."""
    trees = [query.query for query in queries]
    number = numbered_phrases(trees)
    trie, table = phrase_trie([phrase.tokens for phrase in number]), unicode61()
    codes = programs(trees, number)
    datasets = pa.array([query.dataset for query in queries], pa.string())
    names = pa.array([query.name for query in queries], pa.string())

    def search(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles("match_queries"):
            match_queries(match_captions(pa.array([], pa.string()), trie, table), codes)
        for batch in batches:
            phrases = match_captions(batch.column(CAPTION), trie, table)
            found = match_queries(phrases, codes)
            rows = rows_of(found)
            columns = [column.take(pa.array(rows)) for column in batch]
            named = [datasets.take(found.values), names.take(found.values)]
            yield pa.RecordBatch.from_arrays(
                [*named, *columns], [*QUERIES.names, *batch.schema.names]
            )

    return search
