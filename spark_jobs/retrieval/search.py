"""Search captions for the queries of all classes of all data sets, in one pass."""

from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import CAPTION, QUERIES
from spark_jobs.retrieval.class_queries import ClassQuery
from spark_jobs.retrieval.phrases import RULES, SearchRule
from spark_jobs.retrieval.programs import numbered_phrases, programs
from udfs.arrow import BatchFunction
from udfs.text.query_search import find_queries

PAPERS = ("unmet-promise, text retrieval: captions for each class of each data set",)


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
    return map_in_arrow(rows, query_finder(queries, rule), columns)


def query_finder(queries: Sequence[ClassQuery], rule: SearchRule) -> BatchFunction:
    """`find_queries` for the queries of classes and the phrases of a rule."""
    query_trees = [query.query for query in queries]
    phrase_ids = numbered_phrases(query_trees)
    return find_queries(
        RULES[rule].finder([phrase.tokens for phrase in phrase_ids]),
        programs(query_trees, phrase_ids),
        [
            pa.array([query.dataset for query in queries], pa.string()),
            pa.array([query.name for query in queries], pa.string()),
        ],
        caption=CAPTION,
        names=QUERIES.names,
        compiles=f"search_{rule}",
    )
