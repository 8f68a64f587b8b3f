"""Settings of a session, read and changed where the platform lets a job do so."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession

from spark_jobs.storage.faults.spark import SPARK_FAULTS

_log = logging.getLogger(__name__)


def setting(spark: SparkSession, name: str, default: str) -> str:
    """A setting; `default` where it has no value, or where the platform keeps it to itself.

    Databricks' serverless compute tells only a few.
    """
    try:
        return spark.conf.get(name, default) or default
    except SPARK_FAULTS:
        return default


def whole_number_setting(spark: SparkSession, name: str, default: int) -> int:
    """A setting that is a whole number; `default` where the platform has none, or `auto`."""
    try:
        return int(setting(spark, name, str(default)))
    except ValueError:
        return default


def change_setting(spark: SparkSession, name: str, value: str) -> bool:
    """Change a setting; whether the platform let it."""
    try:
        spark.conf.set(name, value)
    except SPARK_FAULTS:
        _log.info("this platform sets %s itself", name)
        return False
    return True


@contextmanager
def cached(rows: DataFrame) -> Iterator[DataFrame]:
    """Context in which the rows are cached; computed at each use where the platform caches none."""
    try:
        rows.cache()
    except SPARK_FAULTS:
        _log.info("this platform caches no rows; they are computed at each use")
        yield rows
        return
    try:
        yield rows
    finally:
        rows.unpersist()
