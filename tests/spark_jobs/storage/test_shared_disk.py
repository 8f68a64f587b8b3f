"""Folders that workers open as paths: whether they have what this program has."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.errors import SettingsError
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
