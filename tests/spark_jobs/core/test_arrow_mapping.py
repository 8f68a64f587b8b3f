"""What reaches a kernel through `map_in_arrow`: valid text, in batches of a bounded size."""

import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow, map_in_arrow_unchecked
from spark_jobs.matching.match import match_concepts
from spark_jobs.storage.faults.spark import to_curation_error
from udfs.arrow import MOST_BYTES
from udfs.text.matchers import MetaclipMatcher
from udfs.text.token_trie import build_token_trie

SIZES = StructType([StructField("n", LongType()), StructField("size", LongType())])


def sizes(batches):
    for batch in batches:
        row = [pa.array([batch.num_rows]), pa.array([batch.nbytes])]
        yield pa.RecordBatch.from_arrays(row, SIZES.names)


def test_invalid_text_is_one_line_and_readers_may_take_it(spark: SparkSession) -> None:
    rows = spark.range(3).select(
        F.format_string("u%d", "id").alias("uid"),
        F.expr("IF(id = 2, CAST(X'61FF' AS STRING), 'a cat') AS title"),
    )
    with pytest.raises(PySparkException) as fault:
        map_in_arrow(rows.coalesce(1), sizes, SIZES).collect()
    assert str(to_curation_error(fault.value)).startswith(
        "column 'title': the bytes b'a\\xff' in the row of uid 'u2' are no UTF-8, expected text"
    )
    assert sum(row.n for row in map_in_arrow_unchecked(rows, sizes, SIZES).collect()) == 3


def test_long_neighbours_come_in_batches_of_bounded_bytes(spark: SparkSession) -> None:
    caption = F.expr("repeat('x', IF(id BETWEEN 500 AND 579, 1048576, 5)) AS caption")
    rows = spark.range(1_000).select(caption)
    batches = map_in_arrow(rows.coalesce(1), sizes, SIZES).collect()
    assert sum(batch.n for batch in batches) == 1_000
    assert max(batch.size for batch in batches) <= MOST_BYTES
    assert len(batches) > 1


@pytest.mark.parametrize("large", ["true", "false"])
def test_large_offsets_give_the_same_matches(spark: SparkSession, large: str) -> None:
    rows = spark.createDataFrame(
        [("a", "a cat"), ("b", None), ("c", ""), ("d", "dog, cat")], "uid string, caption string"
    )
    matcher = MetaclipMatcher(build_token_trie(pa.array(["cat", "dog"])))
    spark.conf.set("spark.sql.execution.arrow.useLargeVarTypes", large)
    try:
        found = {row.uid: row.entry_ids for row in match_concepts(rows, matcher).collect()}
    finally:
        spark.conf.unset("spark.sql.execution.arrow.useLargeVarTypes")
    assert found == {"a": [0], "b": [], "c": [], "d": [0, 1]}
