"""One Spark session for the whole run, and the folders of published results."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

SHARED = Path(os.environ.get("CAPTIONLAKE_SHARED", Path(__file__).parents[2] / "shared"))

TEST_SESSION = {
    "spark.master": "local[2,4]",
    "spark.driver.memory": "2g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.databricks.delta.snapshotPartitions": "2",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    from spark_jobs.session import open_session

    warehouse = tmp_path_factory.mktemp("warehouse")
    session = open_session(TEST_SESSION | {"spark.sql.warehouse.dir": str(warehouse)})
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
