"""Sessions of Spark Connect, whose Spark runs in another program."""

from pyspark.sql import SparkSession


def is_remote(session: SparkSession) -> bool:
    """Whether it is a session of Spark Connect."""
    return type(session).__module__.startswith("pyspark.sql.connect")
