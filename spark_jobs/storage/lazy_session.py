"""A session that starts Spark when it is first used: what is up to date needs none."""

from functools import cached_property
from typing import Any, cast

from pyspark.sql import SparkSession

from spark_jobs.storage.session import has_session, open_session, reads_local_paths


def lazy_session() -> SparkSession:
    """The session that the program has; without one, a session that is opened when first used.

    In local mode alone: elsewhere any answer needs Spark, and its faults are best told at once.
    """
    if has_session() or not reads_local_paths():
        return open_session()
    return cast(SparkSession, _LazySession())


class _LazySession:
    """Has the attributes of the session that it opens for the first of them."""

    @cached_property
    def _opened(self) -> SparkSession:
        return open_session()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)
