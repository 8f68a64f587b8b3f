"""Captions found for the queries of all classes of all data sets, in one pass."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import CAPTION, QUERIES
from spark_jobs.retrieval.class_queries import ClassQuery
from spark_jobs.retrieval.phrases import RULES, SearchRule
from spark_jobs.retrieval.programs import numbered_phrases, programs
from udfs.arrow import Batches, BatchFunction
from udfs.compiled import one_compiles
from udfs.text.boolean_match import match_queries
from udfs.text.lists import rows_of


def search_captions(
    captions: DataFrame, queries: Sequence[ClassQuery], rule: SearchRule
) -> DataFrame:
    """The captions for which a query holds, with dataset and query; a row for each of both.

    `queries`: read with the rule's own tokens. unmet-promise's substring retrieval (Geigle et al.
    2024). Columns of the captions called dataset or query give way. Order: that of the captions,
    then of the queries.
    """
    kept = captions.drop(*QUERIES.names)
    columns = StructType([*QUERIES, *kept.schema])
    return map_in_arrow(kept, searching(queries, rule), columns)


def searching(queries: Sequence[ClassQuery], rule: SearchRule) -> BatchFunction:
    """The function of mapInArrow behind `search_captions`."""
    trees = [query.query for query in queries]
    number = numbered_phrases(trees)
    find = RULES[rule].finder([*number])
    codes = programs(trees, number)
    datasets = pa.array([query.dataset for query in queries], pa.string())
    names = pa.array([query.name for query in queries], pa.string())

    def search(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles(f"search_{rule}"):
            match_queries(find(pa.array([], pa.string())), codes)
        for batch in batches:
            found = match_queries(find(batch.column(CAPTION)), codes)
            rows = rows_of(found)
            columns = [column.take(pa.array(rows)) for column in batch]
            named = [datasets.take(found.values), names.take(found.values)]
            yield pa.RecordBatch.from_arrays(
                [*named, *columns], [*QUERIES.names, *batch.schema.names]
            )

    return search
