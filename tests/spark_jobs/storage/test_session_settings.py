"""Settings and caches on platforms that let a job have them, and on those that do not."""

from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from spark_jobs.storage.batches import batches_of
from spark_jobs.storage.session_settings import at_most, cached, change_setting, setting
from spark_jobs.storage.session_settings import whole_number_setting as number

PARTITIONS = "spark.sql.shuffle.partitions"
ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"


def refuse(*_values: object) -> Any:
    raise AnalysisException("[CONFIG_NOT_AVAILABLE] Configuration is not available.")


REFUSES: Any = SimpleNamespace(conf=SimpleNamespace(get=refuse, set=refuse))


def with_settings(values: dict[str, str]) -> Any:
    return SimpleNamespace(conf=SimpleNamespace(get=values.get, set=values.__setitem__))


def test_a_setting_that_is_refused_has_its_default() -> None:
    assert setting(REFUSES, PARTITIONS, "7") == "7"
    assert setting(with_settings({PARTITIONS: "3"}), PARTITIONS, "7") == "3"
    assert not change_setting(REFUSES, PARTITIONS, "3")


@pytest.mark.parametrize(("value", "expected"), [("auto", 200), ("12", 12), ("", 200)])
def test_a_number_may_be_auto(value: str, expected: int) -> None:
    assert number(with_settings({PARTITIONS: value}), PARTITIONS, 200) == expected


@pytest.mark.parametrize(
    ("before", "during"), [("10000", "50"), ("0", "50"), ("-1", "50"), ("20", "20")]
)
def test_batches_are_made_smaller_and_never_larger(before: str, during: str) -> None:
    values = {ROWS: before}
    with batches_of(with_settings(values), 50):
        assert values[ROWS] == during
    assert values[ROWS] == before


def test_a_number_that_was_not_set_has_its_default_afterwards() -> None:
    values: dict[str, str] = {}
    with at_most(with_settings(values), {PARTITIONS: 200}, 50):
        assert values == {PARTITIONS: "50"}
    assert values == {PARTITIONS: "200"}


def test_batches_stay_as_they_are_where_nothing_may_be_set() -> None:
    with batches_of(REFUSES, 50):
        pass


def test_rows_are_used_without_a_cache_where_there_is_none() -> None:
    rows: Any = SimpleNamespace(cache=refuse)
    with cached(rows) as usable:
        assert usable is rows


def test_a_cache_ends_with_a_fault(spark: SparkSession) -> None:
    rows = spark.range(3)
    context = cached(rows)
    assert context.__enter__().is_cached
    context.__exit__(RuntimeError, RuntimeError(), None)
    assert not rows.is_cached
