"""Folders that workers open as paths: whether they have what this program has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.errors import OutputTableError, SettingsError
from spark_jobs.jobs.dedup_captions import DedupCaptions
from spark_jobs.storage import shared_disk


def test_one_disk_is_fine_and_keeps_nothing(spark: SparkSession, tmp_path: Path) -> None:
    folders = {"output": f"{tmp_path}/to/be/made", "input": "s3a://bucket/needs/no/disk"}
    shared_disk.refuse_separate_disks(spark, folders)
    assert [*tmp_path.iterdir()] == []


def test_workers_with_another_disk_are_one_line(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            is_there = pa.array([False] * len(batch))
            yield pa.RecordBatch.from_arrays([batch.column("path"), is_there], ["path", "is_there"])

    monkeypatch.setattr(shared_disk, "look_for_folders", find_nothing)
    with pytest.raises(SettingsError, match=rf"output = {tmp_path}: .* open it as a path, but"):
        shared_disk.refuse_separate_disks(spark, {"output": str(tmp_path)})


def test_an_index_that_may_not_be_written_to(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_permission(**_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(shared_disk.tempfile, "TemporaryDirectory", no_permission)
    shared_disk.refuse_separate_disks(spark, {"index": str(tmp_path)})


class Session:
    """A session of a cluster, of which only settings are asked."""

    def __init__(self, **settings: str) -> None:
        self.conf = self
        self._settings = settings

    def get(self, name: str, default: str) -> str:
        return self._settings.get(name, default)


CLUSTER: Any = Session()
ON_HDFS: Any = Session(**{"spark.hadoop.fs.defaultFS": "hdfs://nn"})


@pytest.mark.parametrize(
    ("spark", "output", "folders"),
    [
        (CLUSTER, "/lake/out", {"output": "/lake/out"}),
        (CLUSTER, "parquet:/lake/out", {"output": "/lake/out"}),
        (CLUSTER, "s3a://b/out", {}),
        (CLUSTER, "lake.raw.out", {}),
        (CLUSTER, "/Volumes/a/b/c/out", {}),
        (CLUSTER, "dbfs:/out", {}),
        (ON_HDFS, "/lake/out", {}),
    ],
)
def test_tables_at_paths_lie_on_a_disk_unless_paths_are_of_a_store(
    spark: SparkSession, output: str, folders: dict[str, str]
) -> None:
    settings = DedupCaptions(captions="/in", by="caption", output=output)
    assert shared_disk.outputs_on_disks(spark, settings) == folders


def test_parquet_at_a_path_is_refused_where_paths_are_of_a_store() -> None:
    settings = DedupCaptions(captions="/in", by="caption", output="parquet:/lake/out")
    with pytest.raises(OutputTableError, match="parquet needs its address: parquet:hdfs"):
        shared_disk.outputs_on_disks(ON_HDFS, settings)
