"""One Spark session for the whole run, and the folders of published results."""

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.processes import FOR_FEW_ROWS, IN_ANSI_MODE, QUICK_JAVA
from tests.small_clip import make_clip

SHARED = Path(os.environ.get("CAPTIONLAKE_SHARED", Path(__file__).parents[2] / "shared"))

# Drivers that tests start; JDK_JAVA_OPTIONS, which reaches all Java, says so on stderr.
os.environ.setdefault("SPARK_SUBMIT_OPTS", QUICK_JAVA["JDK_JAVA_OPTIONS"])

TEST_SESSION = {
    "spark.master": "local[2,4]",
    "spark.driver.memory": "2g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",  # VACUUM has as many tasks
    "spark.default.parallelism": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
    # Delta keeps what it knows of a table, several MB, for an hour; tests make thousands of tables.
    "spark.databricks.delta.delta.log.cacheSize": "20",
    "spark.sql.ansi.enabled": str(IN_ANSI_MODE).lower(),
}


# What the run may take before it leaves slow tests out, which CI sets, and when it began.
_MINUTES = float(os.environ.get("CAPTIONLAKE_TEST_MINUTES", "inf"))
_LEFT_OUT = "slow tests stay out, since the run has taken"
_BEGAN = "CAPTIONLAKE_TESTS_BEGAN"  # read by the workers too


def pytest_configure() -> None:
    os.environ.setdefault(_BEGAN, str(time.time()))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first: what is left at the end, for one worker alone, is short.

    A slow test counts by its time limit, for thirty others with the default one. Where slow tests
    may be left out, files without one go before all others.
    """
    weights: Counter[Path] = Counter()
    has_slow_tests: set[Path] = set()
    for item in items:
        limit = item.get_closest_marker("timeout")
        weights[item.path] += (limit.args[0] if limit else 300) // 10 if _is_slow(item) else 1
        if math.isfinite(_MINUTES) and _is_slow(item):
            has_slow_tests.add(item.path)
    items.sort(key=lambda item: (item.path in has_slow_tests, -weights[item.path], item.path))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if _is_slow(item) and time.time() - float(os.environ[_BEGAN]) > _MINUTES * 60:
        pytest.skip(f"{_LEFT_OUT} {_MINUTES:g} minutes")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each test that was left out; the summary of skips has but the place of the skip."""
    for report in terminalreporter.stats.get("skipped", []):
        if _LEFT_OUT in str(report.longrepr):
            terminalreporter.write_line(f"LEFT OUT {report.nodeid}")


def _is_slow(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("slow", "faults"))


@pytest.fixture(scope="session")
def spark(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SparkSession]:
    from spark_jobs.storage.session import open_session

    settings = {"spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))}
    session = open_session(TEST_SESSION | settings | FOR_FEW_ROWS)
    yield session
    session.stop()


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"the published results are not here: no folder {name} in {SHARED.name}/")
    return folder


@pytest.fixture(scope="session")
def cases() -> Path:
    return _shared("cases")


@pytest.fixture(scope="session")
def real_data() -> Path:
    return _shared("data")


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an open_clip model of two small towers with random weights."""
    return make_clip(tmp_path_factory.mktemp("tiny_clip"))


@pytest.fixture(scope="session")
def clip_maker() -> Callable[..., Path]:
    """`clip_maker(folder, seed, **text_cfg)` makes another such model."""
    return make_clip
