"""Outputs that would not be where the next run looks: on the disk of Databricks' driver."""

import pytest

from spark_jobs.core.errors import OutputTableError
from spark_jobs.jobs.sample_subset import SampleSubset
from spark_jobs.storage.outputs.databricks import refuse_fleeting_outputs


@pytest.fixture
def _on_databricks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "15.4")


def subset(**outputs: str) -> SampleSubset:
    given = {"input": "a.b", "output": "main.x.y", "n": 1, **outputs}
    return SampleSubset.model_validate(given)


@pytest.mark.usefixtures("_on_databricks")
@pytest.mark.parametrize(
    "outputs",
    [
        {"output": "./subset"},
        {"output": "/tmp/subset"},
        {"tsv": "subset.tsv"},
        {"uids": "file:/tmp/uids.npy"},
        {"workspace": "/tmp/runs"},
    ],
)
def test_the_drivers_disk_is_refused(outputs: dict[str, str]) -> None:
    [name] = outputs
    with pytest.raises(
        OutputTableError, match=f"{name} .*/.*ends with its cluster; give /Volumes/"
    ):
        refuse_fleeting_outputs(subset(**outputs))


@pytest.mark.usefixtures("_on_databricks")
@pytest.mark.parametrize(
    "output",
    ["main.x.y", "/Volumes/main/x/files/t", "dbfs:/mnt/t", "s3a://b/t", "abfss://c@a.dfs/t"],
)
def test_what_lasts_is_taken(output: str) -> None:
    refuse_fleeting_outputs(subset(output=output, tsv="/Volumes/main/x/files/t.tsv"))


def test_elsewhere_local_paths_are_taken_and_dbfs_is_not() -> None:
    refuse_fleeting_outputs(subset(output="./subset", tsv="subset.tsv"))
    with pytest.raises(OutputTableError, match=r"tsv dbfs:/t\.tsv: only Databricks has dbfs:"):
        refuse_fleeting_outputs(subset(tsv="dbfs:/t.tsv"))
