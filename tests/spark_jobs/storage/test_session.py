"""Sessions that others have built: what is asked of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spark_jobs.core.errors import CurationError
from spark_jobs.storage import session

DELTA = "io.delta.sql.DeltaSparkSessionExtension"


def built_by_others(extensions: str | None, master: str = "local[2]", **further: str) -> Any:
    """A session that knows its settings alone."""
    settings = {"spark.master": master, **further}
    settings |= {} if extensions is None else {"spark.sql.extensions": extensions}
    return SimpleNamespace(conf=SimpleNamespace(get=settings.get, set=settings.__setitem__))


@pytest.mark.parametrize("extensions", [None, "", "org.apache.iceberg.Extensions"])
def test_a_session_without_delta_is_refused(
    extensions: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    monkeypatch.setattr(session, "_existing_session", lambda: built_by_others(extensions))
    with pytest.raises(CurationError, match="the active Spark session has no Delta: build it by"):
        session.open_session()


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_session_whose_context_was_stopped_is_none(
    is_stopped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PySpark forgets a session on `SparkSession.stop`, but not on `SparkContext.stop`."""
    existing = built_by_others(DELTA)
    existing._sc = SimpleNamespace(_jsc=None if is_stopped else object())
    monkeypatch.setattr(session.SparkSession, "active", lambda: existing)
    monkeypatch.setattr(session, "_build_session", lambda conf: built_by_others(DELTA))
    assert (session.open_session() is existing) is not is_stopped


def test_a_session_with_delta_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    existing = built_by_others(f"org.apache.iceberg.Extensions,{DELTA}")
    monkeypatch.setattr(session, "_existing_session", lambda: existing)
    assert session.open_session() is existing
    assert existing.conf.get(session.VERIFY_PAGES) == "true"


def test_databricks_has_delta_without_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")
    monkeypatch.setattr(session, "_existing_session", lambda: built_by_others(None))
    session.open_session()


class TestLocalPaths:
    """Whether settings may look at local files before a session is opened."""

    @pytest.fixture(autouse=True)
    def _without_clusters(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in session._OF_CLUSTERS:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(session, "_existing_session", lambda: None)

    @pytest.mark.parametrize(
        "name", ["SPARK_REMOTE", "PYSPARK_GATEWAY_PORT", "DATABRICKS_RUNTIME_VERSION"]
    )
    def test_not_where_the_environment_names_a_cluster(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert session.reads_local_paths()
        monkeypatch.setenv(name, "sc://host")
        assert not session.reads_local_paths()

    @pytest.mark.parametrize(("master", "is_local"), [("local[2]", True), ("yarn", False)])
    def test_by_the_master_of_a_session(
        self, master: str, is_local: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        existing = built_by_others(DELTA, master)
        monkeypatch.setattr(session, "_existing_session", lambda: existing)
        assert session.reads_local_paths() is is_local

    @pytest.mark.parametrize("file", ["spark-defaults.conf", "core-site.xml"])
    @pytest.mark.parametrize(
        ("variable", "folder"), [("SPARK_CONF_DIR", ""), ("SPARK_HOME", "conf")]
    )
    def test_not_where_a_settings_file_names_another_store(
        self,
        file: str,
        variable: str,
        folder: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
        monkeypatch.setenv(variable, str(tmp_path))
        assert session.reads_local_paths()
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / file).write_text("spark.hadoop.fs.defaultFS hdfs://host")
        assert not session.reads_local_paths()

    def test_not_where_the_session_has_another_store(self, monkeypatch: pytest.MonkeyPatch) -> None:
        existing = built_by_others(DELTA, "local[2]", **{"spark.hadoop.fs.defaultFS": "hdfs://h"})
        monkeypatch.setattr(session, "_existing_session", lambda: existing)
        assert not session.reads_local_paths()

    def test_not_in_a_session_of_spark_connect(self, monkeypatch: pytest.MonkeyPatch) -> None:
        remote = type("SparkSession", (), {"__module__": "pyspark.sql.connect.session"})()
        monkeypatch.setattr(session, "_existing_session", lambda: remote)
        assert not session.reads_local_paths()
