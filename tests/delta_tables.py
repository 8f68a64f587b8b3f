"""Reading small Delta tables in tests: by delta-rs' list of files, a tenth of the cost of Delta's.

Delta for Spark runs two queries over a table's log before the first read of each of its versions.
"""

import json
from pathlib import Path

from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType


def read_delta(spark: SparkSession, table: Path | str) -> DataFrame:
    """The rows of a table on the disk, without partitions and vectors of deleted rows."""
    log = DeltaTable(str(table))
    assert not log.metadata().partition_columns
    assert not log.protocol().reader_features
    schema = StructType.fromJson(json.loads(log.schema().to_json()))
    if not (files := log.file_uris()):
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(*files)
