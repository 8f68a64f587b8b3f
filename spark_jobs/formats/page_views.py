"""Read Wikimedia's page views: hourly files, or a table with their lines."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.concepts.titles import LINE, parsed_lines
from spark_jobs.core import schemas
from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import FAULT, JOB, REASON, RUN_ID, UID
from spark_jobs.formats.text_files import text_lines
from spark_jobs.ingest.text_rules import is_valid_utf8
from spark_jobs.storage.file_lists import list_files_at
from spark_jobs.storage.run import Counts, Run

_LINES = StructType([StructField(LINE, StringType())])


def read_page_views(run: Run, address: str) -> DataFrame:
    """The fields of all lines (titles.parsed_lines) of files or a table with the column line."""
    table = parse_address(address)
    is_table = not table.is_path or run.inputs[address].startswith("delta:")
    files = [] if is_table else list_files_at(run.spark, table.location)
    if is_table or all(file.name.endswith(".parquet") for file in files if file.size):
        return parsed_lines(run.read(address, _LINES).select(LINE))
    lines = text_lines(run.spark, files).select(F.col("value").alias(LINE))
    return parsed_lines(lines)


def reject_faulty_lines(run: Run, lines: DataFrame, address: str) -> Counts:
    """Store the lines with a fault in rejected; returns lines_in and their number by reason.

    Raises InputDataError if no line is sound.
    """
    by_fault = lines.groupBy(FAULT).agg(F.count("*").alias("n")).collect()
    reasons = {row[FAULT]: row["n"] for row in by_fault if row[FAULT] is not None}
    n_lines = sum(row["n"] for row in by_fault)
    if n_lines == sum(reasons.values()):
        why = ", ".join(f"{n:,} {reason}" for reason, n in sorted(reasons.items()))
        raise InputDataError(
            f"{address}: has no line of page views, such as 'en Main_Page 42 0'"
            + (f"; of {n_lines:,} lines {why}" if n_lines else "")
        )
    if reasons:
        rejected = _rejected(run, lines.where(F.col(FAULT).isNotNull()))
        run.write_rejected(rejected, part="page_views")
    return {"page_view_lines": n_lines, **dict(sorted(reasons.items()))}


def _rejected(run: Run, faulty: DataFrame) -> DataFrame:
    is_valid = is_valid_utf8(F.col(LINE))
    raw = F.col(LINE).cast("binary")
    return faulty.select(
        F.lit(run.run_id).alias(RUN_ID),
        F.lit(run.job).alias(JOB),
        F.col(FAULT).alias(REASON),
        F.lit(None).cast("string").alias(UID),
        F.to_json(F.struct(F.when(is_valid, F.col(LINE)).alias(LINE))).alias("row"),
        F.when(~is_valid, raw).alias("raw"),
    ).select(*schemas.REJECTED.names)
