"""Similarity of a caption to the definition of its synset (LAIONet, Shirali & Hardt 2023)."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import keys, named
from spark_jobs.core.schemas import CAPTION, QUERY_KEY, QUERY_TYPE, SCORE, WNID
from udfs.arrow import Batches
from udfs.models.embedding import embedded_by
from udfs.models.spec import ModelSpec
from udfs.vectors import Vectors, stored_cosines

QUERY = "_query"  # position of a row's query, the same in the vectors of every kind
_TEXT = "_text"
_NULL_TEXT = "None"  # what the published code makes of a caption that is null


def of_one_synset(labels: DataFrame) -> DataFrame:
    """The captions with exactly one synset, of label-synsets in any of its forms."""
    n_rows = F.count("*").over(Window.partitionBy(*keys(labels)))
    counted = labels.withColumn("_n", n_rows)
    return counted.where((F.col("_n") == 1) & F.col(WNID).isNotNull()).drop("_n")


def with_query(rows: DataFrame, key: Column, queries: Sequence[str]) -> DataFrame:
    """The rows whose key is one of the queries, with QUERY, its position among them."""
    positions = [(name, position) for position, name in enumerate(queries)]
    known = rows.sparkSession.createDataFrame(positions, f"_key string, {QUERY} int")
    return rows.withColumn("_key", key).join(F.broadcast(known), on="_key").drop("_key")


def score_captions(
    rows: DataFrame,
    vectors: Mapping[str, Vectors],
    spec: ModelSpec,
    *,
    n_tasks: int,
) -> DataFrame:
    """The rows with a column of similarities for each item of `vectors`, cosines to six decimals.

    rows: uid, caption and QUERY. `vectors`: column -> unit vectors of its queries (n, dimension).
    A null caption becomes the word None, as published.
    """
    text = F.coalesce(F.col(CAPTION), F.lit(_NULL_TEXT))
    rows = rows.withColumn(_TEXT, text)
    rows = rows.repartition(n_tasks, F.xxhash64(_TEXT))
    rows = rows.sortWithinPartitions(F.length(_TEXT), _TEXT)
    fields = [field for field in rows.schema if field.name not in (_TEXT, QUERY)]
    kept = [field.name for field in fields]
    added = [StructField(name, FloatType()) for name in vectors]
    columns = StructType([*fields, *added])

    def score(batches: Batches) -> Iterator[pa.RecordBatch]:
        for window, found, faults in embedded_by(spec, "text", batches, _TEXT):
            query = window[QUERY].to_numpy()
            of_row = {
                name: _similarities(found, of_queries[query], faults)
                for name, of_queries in vectors.items()
            }
            stayed = [window[name].combine_chunks() for name in kept]
            yield pa.RecordBatch.from_arrays([*stayed, *of_row.values()], [*kept, *of_row])

    return map_in_arrow(rows, score, columns)


def _similarities(some: Vectors, others: Vectors, faults: pa.StringArray) -> pa.FloatArray:
    """The cosine of each pair of unit vectors, to six decimals, null where one has a fault."""
    cosines = stored_cosines(np.einsum("ij,ij->i", some, others))
    return pa.array(cosines, mask=faults.is_valid().to_numpy(zero_copy_only=False))


def narrow(
    scored: DataFrame, columns: Mapping[str, tuple[str, str]], constant: Mapping[str, str]
) -> DataFrame:
    """A row per caption and kind of query in place of a column each.

    `columns`: column -> (query type, query key). `constant`: columns with one value.
    """
    kinds = F.array(
        *(
            F.struct(
                F.lit(kind).alias(QUERY_TYPE),
                F.lit(key).alias(QUERY_KEY),
                named(name).alias(SCORE),
            )
            for name, (kind, key) in columns.items()
        )
    )
    told = [F.lit(value).alias(name) for name, value in constant.items()]
    by = [*keys(scored), WNID]
    return scored.select(*by, *told, F.explode(kinds).alias("_s")).select(
        *by, *constant, *(f"_s.{name}" for name in (QUERY_TYPE, QUERY_KEY, SCORE))
    )
