"""The version at which a table of a result is read."""

import pytest
from pyspark.sql import SparkSession

from captionlake.tables import read_version
from spark_jobs.storage import old_versions, session, table_states


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        (None, "delta:7:b"),
        ("delta:5:b", "delta:7:b"),  # compacted since: the files of 5 may be gone
        ("delta:3:a", "delta:3:a"),
        ("delta:5", "delta:5"),
    ],
)
def test_the_newest_version_is_read_where_it_has_the_same_rows(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, read: str
) -> None:
    monkeypatch.setattr(session, "open_session", lambda: SparkSession)
    monkeypatch.setattr(table_states, "input_version", lambda spark, address: "delta:7:b")
    monkeypatch.setattr(
        old_versions, "read_recorded_version", lambda spark, address, needed, version: version
    )
    assert read_version("/out/matches", asked) == read
