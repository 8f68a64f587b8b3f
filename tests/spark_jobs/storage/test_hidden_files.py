"""Files whose names hide them from Spark, by folder, file and glob."""

from pathlib import Path

import pytest

from spark_jobs.storage.hidden_files import hidden_files

VISIBLE = ["c.csv", "sub/b.csv", "_day=1/d.csv"]
HIDDEN = ["_a.csv", ".b.csv", "_sub/x.csv", "sub/.deep/y.csv"]
NO_DATA = ["_delta_log/0.json", ".cache/z.json", "._c.csv", "sub/.ipynb_checkpoints/b.csv"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*VISIBLE, *HIDDEN, *NO_DATA):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("caption\na cat\n")
    (tmp_path / "_SUCCESS").touch()  # without content
    return tmp_path


@pytest.mark.parametrize("scheme", ["", "file:", "file://"])
def test_of_a_folder(folder: Path, scheme: str) -> None:
    assert hidden_files(f"{scheme}{folder}") == sorted(f"{folder}/{name}" for name in HIDDEN)


def test_of_a_file(folder: Path) -> None:
    assert hidden_files(f"{folder}/_a.csv") == [f"{folder}/_a.csv"]
    assert hidden_files(f"{folder}/c.csv") == []


def test_of_a_hidden_folder_that_is_named_itself(folder: Path) -> None:
    assert hidden_files(f"{folder}/_sub") == []  # Spark reads it


def test_of_a_glob(folder: Path) -> None:
    assert hidden_files(f"{folder}/*.csv") == [f"{folder}/.b.csv", f"{folder}/_a.csv"]


def test_of_nothing_and_of_stores_that_cannot_be_listed(tmp_path: Path) -> None:
    assert hidden_files(f"{tmp_path}/none") == []
    assert hidden_files("foo://bucket/x") == []
