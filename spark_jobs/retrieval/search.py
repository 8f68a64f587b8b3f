"""Search captions for the queries of all classes of all data sets, in one pass."""

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
    """The captions for which a query holds, with dataset and query: a row per caption and query.

    Substring retrieval of unmet-promise (Geng et al. 2024). `queries`: parsed with the tokens of
    the rule. Replaces columns called dataset or query. Order: that of the captions, then of the
    queries.
    """
    rows = captions.drop(*QUERIES.names)
    columns = StructType([*QUERIES, *rows.schema])
    return map_in_arrow(rows, find_queries(queries, rule), columns)


def find_queries(queries: Sequence[ClassQuery], rule: SearchRule) -> BatchFunction:
    """For mapInArrow: rows with a caption -> dataset, query and the row, per query that holds."""
    query_trees = [query.query for query in queries]
    phrase_ids = numbered_phrases(query_trees)
    find_phrases = RULES[rule].finder([*phrase_ids])
    query_programs = programs(query_trees, phrase_ids)
    datasets = pa.array([query.dataset for query in queries], pa.string())
    class_names = pa.array([query.name for query in queries], pa.string())

    def search(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles(f"search_{rule}"):
            match_queries(find_phrases(pa.array([], pa.string())), query_programs)
        for batch in batches:
            query_ids = match_queries(find_phrases(batch.column(CAPTION)), query_programs)
            rows = pa.array(rows_of(query_ids))
            columns = [column.take(rows) for column in batch]
            added = [datasets.take(query_ids.values), class_names.take(query_ids.values)]
            yield pa.RecordBatch.from_arrays(
                [*added, *columns], [*QUERIES.names, *batch.schema.names]
            )

    return search
