"""Score captions by their similarity to their synset's definition (Shirali & Hardt 2023)."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import keys, named
from spark_jobs.core.schemas import CAPTION, QUERY_KEY, QUERY_TYPE, SCORE, WNID
from udfs.models.query_similarities import similarities_to_queries
from udfs.models.spec import ModelSpec
from udfs.vectors import Vectors

PAPERS = ("LAIONet, text similarity: CLIP similarity of a caption to its synset's definition",)

QUERY = "_query"  # position of a row's query in the vectors of each kind
_TEXT = "_text"
_NULL_TEXT = "None"  # text of a null caption, as in the published code


def captions_with_one_synset(labels: DataFrame) -> DataFrame:
    """The captions with exactly one synset; `labels`: of label-synsets with any `several`."""
    n_rows = F.count("*").over(Window.partitionBy(*keys(labels)))
    with_count = labels.withColumn("_n", n_rows)
    return with_count.where((F.col("_n") == 1) & F.col(WNID).isNotNull()).drop("_n")


def with_query(rows: DataFrame, key: Column, queries: Sequence[str]) -> DataFrame:
    """The rows whose key is one of the queries, with its position among them as QUERY."""
    positions = [(name, position) for position, name in enumerate(queries)]
    query_table = rows.sparkSession.createDataFrame(positions, f"_key string, {QUERY} int")
    return rows.withColumn("_key", key).join(F.broadcast(query_table), on="_key").drop("_key")


def score_captions(
    rows: DataFrame,
    vectors: Mapping[str, Vectors],
    spec: ModelSpec,
    *,
    n_tasks: int,
) -> DataFrame:
    """Embed the captions and add a column of cosines, to six decimals, for each kind of query.

    `rows`: uid, caption and QUERY. `vectors`: column -> unit vectors of its queries (n, dimension).
    A null caption becomes the text None, as in the published code.
    """
    text = F.coalesce(F.col(CAPTION), F.lit(_NULL_TEXT))
    rows = rows.withColumn(_TEXT, text)
    rows = rows.repartition(n_tasks, F.xxhash64(_TEXT))
    rows = rows.sortWithinPartitions(F.length(_TEXT), _TEXT)
    kept = [field for field in rows.schema if field.name not in (_TEXT, QUERY)]
    added = [StructField(name, FloatType()) for name in vectors]
    add_similarities = similarities_to_queries(
        spec, vectors, text=_TEXT, query=QUERY, kept=[field.name for field in kept]
    )
    return map_in_arrow(rows, add_similarities, StructType([*kept, *added]))


def narrow(
    scored: DataFrame, columns: Mapping[str, tuple[str, str]], constant: Mapping[str, str]
) -> DataFrame:
    """Turn a column per kind of query into rows: one per caption and kind.

    `columns`: column -> (query type, query key). `constant`: name -> value of further columns.
    """
    scores = F.array(
        *(
            F.struct(
                F.lit(kind).alias(QUERY_TYPE),
                F.lit(key).alias(QUERY_KEY),
                named(name).alias(SCORE),
            )
            for name, (kind, key) in columns.items()
        )
    )
    constants = [F.lit(value).alias(name) for name, value in constant.items()]
    key_columns = [*keys(scored), WNID]
    return scored.select(*key_columns, *constants, F.explode(scores).alias("_s")).select(
        *key_columns, *constant, *(f"_s.{name}" for name in (QUERY_TYPE, QUERY_KEY, SCORE))
    )
