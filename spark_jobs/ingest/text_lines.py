"""Plain text and JSON lines as rows; `value` is a line without its LF."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.ingest.text_rules import INVALID_UTF8, is_valid_utf8
from spark_jobs.schemas import CAPTION

FAULT, LINE = "_fault", "_line"  # working columns of an ingest
CORRUPT_JSON = "corrupt_json"
LONE_SURROGATE = "lone_surrogate"

_CORRUPT = "_corrupt_record"
# An escape counts where an even number of backslashes stands before it. A high surrogate without
# a low one behind it, or a low one without a high one before it, is alone: Spark would read "?".
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_OTHER = rf"(?:[^\\]|\\[^u]|\\u(?![dD][89a-fA-F])|{_HIGH}{_LOW})"
_PAIRED = rf"(?s)^{_OTHER}*+$"


def captions_from_lines(lines: DataFrame) -> DataFrame:
    """Each line is a caption; one CR at its end goes, as the end of a line of DOS."""
    return lines.select(F.regexp_replace("value", r"\r\z", "").alias(CAPTION))


def is_blank(line: Column) -> Column:
    """Whether a line has white space alone, which in JSON lines is no row."""
    return line.rlike(r"\A\s*\z")


def rows_from_jsonl(lines: DataFrame, schema: StructType) -> DataFrame:
    """A row for each line that is not blank: the columns of `schema`, `_line` and `_fault`."""
    with_corrupt = StructType([*schema, StructField(_CORRUPT, StringType())])
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _CORRUPT}
    value = F.col("value")
    parsed = lines.where(~is_blank(value)).select(
        value.alias(LINE), F.from_json(value, with_corrupt, options).alias("_row_of_json")
    )
    fault = (
        F.when(~is_valid_utf8(F.col(LINE)), INVALID_UTF8)
        .when(F.col(f"_row_of_json.{_CORRUPT}").isNotNull(), CORRUPT_JSON)
        .when(~F.ltrim(LINE).startswith("{"), CORRUPT_JSON)
        .when(~F.col(LINE).rlike(_PAIRED), LONE_SURROGATE)
    )
    fields = [F.col("_row_of_json")[field.name].alias(field.name) for field in schema]
    return parsed.select(*fields, LINE, fault.alias(FAULT))
