"""Summaries: the versions of the tables that a run wrote, without a look at the tables."""

from spark_jobs.running.launch import _versions_written

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
