"""What a run says that it wrote, and the folders that it needs on one disk; without Spark."""

from typing import Any

import pytest

from spark_jobs.jobs.arrange_images import JOB as ARRANGE_IMAGES
from spark_jobs.running.launch import _folders_on_one_disk, _versions_written
from spark_jobs.storage.run import Run

SECRET = "s3a://key:secret@bucket/counts"


def test_versions_are_those_that_the_run_recorded() -> None:
    tables = {"output": "/out/matches", "entry_counts": SECRET, "rejected": "/out/rejected"}
    recorded = {"/out/matches": "delta:3:a", "s3a://***@bucket/counts": "delta:1:b", "/x": "1:2"}
    written = {"/out/matches": "delta:4:c", SECRET: "delta:2:d"}
    assert _versions_written(tables, written) == {
        "output": "delta:4:c",
        "entry_counts": "delta:2:d",
    }
    assert _versions_written(tables, recorded) == {
        "output": "delta:3:a",
        "entry_counts": "delta:1:b",
    }
    assert _versions_written(tables, {}) == {}


class Cluster:
    """A session of a cluster, of which only settings are asked."""

    def __init__(self) -> None:
        self.conf = self

    def get(self, name: str, default: str) -> str:
        return default


@pytest.mark.parametrize(
    ("address", "version", "is_folder"),
    [
        ("/lake/shards", "files:3:0", True),
        ("main.lake.images", "view:1", False),
        ("/lake/images", "delta:1:r", False),
        ("delta:/lake/images", "delta:1:r", False),
    ],
)
def test_an_input_that_is_a_table_needs_no_disk(
    address: str, version: str, is_folder: bool
) -> None:
    values = {"layout": "laionet", "output": "/lake/out", "metadata": "/meta/out"}
    settings = ARRANGE_IMAGES.settings.model_validate({"input": address, **values})
    spark: Any = Cluster()
    run = Run(spark, "arrange-images", "r", "s", "/lake", {settings.input: version}, {})
    folders = _folders_on_one_disk(run, ARRANGE_IMAGES, settings)
    assert ("input" in folders) is is_folder
    assert (folders["output"], folders["metadata"]) == ("/lake/out", "/meta/out")
