"""What a catalog says of a table or view: provider, location, text and columns."""

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import Address

COLUMNS, LOCATION, PROVIDER = "Columns", "Location", "Provider"
_START = "# Detailed Table Information"


def catalog_details(spark: SparkSession, table: Address) -> dict[str, str]:
    """The details of DESCRIBE TABLE EXTENDED by name; `Columns`: names and types, as one text.

    It runs no Spark job, unlike DESCRIBE DETAIL, which counts the files of a Delta table. Raises
    AnalysisException if the catalog has no such name.
    """
    rows = spark.sql(f"DESCRIBE TABLE EXTENDED {table.sql_name}").collect()
    names = [row["col_name"] for row in rows]
    start = names.index(_START) if _START in names else len(rows)
    columns = [(row["col_name"], row["data_type"]) for row in rows[:start]]
    return {**{row["col_name"]: row["data_type"] for row in rows[start:]}, COLUMNS: repr(columns)}
