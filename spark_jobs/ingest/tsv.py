"""Tab-separated lines as rows, without any interpretation of quotes, NA or null."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.ingest.text_lines import FAULT, LINE
from spark_jobs.ingest.text_rules import INVALID_UTF8, is_valid_utf8

WRONG_NUMBER_OF_FIELDS = "wrong_number_of_fields"


def rows_from_tsv(lines: DataFrame, columns: Sequence[str]) -> DataFrame:
    """A row for each line: `columns` as strings, `_line` and `_fault`; one CR at its end goes."""
    line = F.regexp_replace("value", r"\r\z", "")
    cut = lines.select(F.col("value").alias(LINE), F.split(line, "\t", -1).alias("_fields"))
    fault = F.when(~is_valid_utf8(F.col(LINE)), INVALID_UTF8).when(
        F.size("_fields") != len(columns), WRONG_NUMBER_OF_FIELDS
    )
    fields = [F.get("_fields", F.lit(k)).alias(name) for k, name in enumerate(columns)]
    return cut.select(*fields, LINE, fault.alias(FAULT))
