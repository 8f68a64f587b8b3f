"""Settings of a session, read and changed where the platform lets a job do so."""

import logging
from collections.abc import Iterator, Mapping
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
def at_most(spark: SparkSession, defaults: Mapping[str, int], most: int) -> Iterator[None]:
    """Context in which settings that are whole numbers are at most `most`; 0 or less is no limit.

    `defaults`: setting -> Spark's default. Where the platform does not let a job change one, it
    stays as it is.
    """
    before = {name: whole_number_setting(spark, name, n) for name, n in defaults.items()}
    larger = [name for name, n in before.items() if not 0 < n <= most]
    changed = [name for name in larger if change_setting(spark, name, str(most))]
    try:
        yield
    finally:
        for name in changed:
            change_setting(spark, name, str(before[name]))


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
