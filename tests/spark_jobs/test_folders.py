"""Folders of files: replaced as a whole, marked last, and nobody else's files touched."""

import contextlib
import json
import os
import re
from pathlib import Path

import pytest

from spark_jobs import folders
from spark_jobs.errors import OutputTableError
from spark_jobs.folder_marks import MARK, marked_run_id, read_mark, write_mark
from spark_jobs.folders import replaced_folder, write_file

COMMIT = {"run_id": "r1", "job": "export-captions", "settings_sha": "s", "made_of": {"x": 1}}


def export(folder: Path, files: dict[str, str], run_id: str = "r1", **more: object) -> None:
    with replaced_folder(str(folder), COMMIT | {"run_id": run_id}, **more) as staging:
        for name, content in files.items():
            write_file(f"{staging}/{name}", content.encode())


def contents(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(f.relative_to(folder)): f.read_text() for f in files if f.name != MARK}


def test_the_mark_names_the_run_and_the_files(tmp_path: Path) -> None:
    export(tmp_path / "out", {"a.json": "[]", "in/b.json": "[1]"})
    mark = read_mark(str(tmp_path / "out"))
    assert {name: mark[name] for name in COMMIT} == COMMIT
    assert {name: size for name, (size, _) in mark["files"].items()} == {
        "a.json": 2,
        "in/b.json": 3,
    }
    assert contents(tmp_path / "out") == {"a.json": "[]", "in/b.json": "[1]"}
    assert marked_run_id(str(tmp_path / "out")) == "r1"


def test_an_export_takes_the_place_of_the_last(tmp_path: Path) -> None:
    export(tmp_path, {"a.json": "[]", "old/b.json": "[1]"})
    export(tmp_path, {"a.json": "[2]", "c.json": "[3]"}, run_id="r2")
    assert contents(tmp_path) == {"a.json": "[2]", "c.json": "[3]"}
    assert sorted(file.name for file in tmp_path.iterdir()) == [MARK, "a.json", "c.json"]
    assert marked_run_id(str(tmp_path)) == "r2"


@pytest.mark.parametrize("change", ["edit", "same size", "remove", "add", "no mark", "bad mark"])
def test_a_changed_folder_is_of_no_run(tmp_path: Path, change: str) -> None:
    export(tmp_path, {"a.json": "[1]", "in/b.json": "[1]"})
    file = tmp_path / "in/b.json"
    if change == "edit":
        file.write_text("[1, 2]")
    elif change == "same size":
        before = file.stat().st_mtime_ns
        file.write_text("[2]")
        os.utime(file, ns=(before + 1_000, before + 1_000))
    elif change == "remove":
        file.unlink()
    elif change == "add":
        (tmp_path / "in/c.json").write_text("[1]")
    elif change == "no mark":
        (tmp_path / MARK).unlink()
    else:
        (tmp_path / MARK).write_text('{"run_id": "r1", "fil')
    assert marked_run_id(str(tmp_path)) is None


def test_hidden_files_and_a_folder_that_is_not_there(tmp_path: Path) -> None:
    export(tmp_path, {"a.json": "[1]"})
    (tmp_path / ".DS_Store").write_text("")
    (tmp_path / "_SUCCESS").write_text("")
    assert marked_run_id(str(tmp_path)) == "r1"
    export(tmp_path, {"b.json": "[1]"}, run_id="r2")
    assert (tmp_path / ".DS_Store").exists()
    assert marked_run_id(str(tmp_path / "nowhere")) is None
    assert marked_run_id("main.curation.captions") is None
    assert marked_run_id("nosuch://bucket/captions") is None


def test_others_files_are_refused_and_stay(tmp_path: Path) -> None:
    export(tmp_path, {"a.json": "[1]"})
    (tmp_path / "mine.txt").write_text("years of work")
    before = contents(tmp_path)
    with pytest.raises(OutputTableError, match=r"holds other files, such as mine\.txt"):
        export(tmp_path, {"a.json": "[2]"}, run_id="r2")
    assert contents(tmp_path) == before


def test_files_without_a_mark_are_ours_by_name_alone(tmp_path: Path) -> None:
    (tmp_path / "a_00001.json").write_text("[1]")
    with pytest.raises(OutputTableError, match="holds other files"):
        export(tmp_path, {"a_00000.json": "[2]"})
    export(tmp_path, {"a_00000.json": "[2]"}, ours=re.compile(r"a_\d+\.json"))
    assert contents(tmp_path) == {"a_00000.json": "[2]"}


def test_a_run_that_dies_while_it_writes_leaves_the_old_files(tmp_path: Path) -> None:
    export(tmp_path, {"a.json": "[1]"})

    def die() -> None:
        with replaced_folder(str(tmp_path), COMMIT | {"run_id": "r2"}) as staging:
            write_file(f"{staging}/a.json", b"[2")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        die()
    assert contents(tmp_path) == {"a.json": "[1]"}
    assert marked_run_id(str(tmp_path)) == "r1"


@pytest.mark.parametrize("dies_at", range(8))
def test_a_run_that_dies_while_it_moves_is_mended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """Each step on the disk is the last one once; the folder is whole or has no mark."""
    export(tmp_path, {"a.json": "[1]", "old/b.json": "[1]"})
    (tmp_path / ".writing-dead").mkdir()
    left = iter(range(dies_at))

    class Dying:
        """A file system that stops after so many changes."""

        def __init__(self, real: object) -> None:
            self.real = real

        def __getattr__(self, name: str) -> object:
            if name in ("move", "delete_file", "delete_dir") and next(left, None) is None:
                raise KeyboardInterrupt
            return getattr(self.real, name)

    real = folders.file_system
    monkeypatch.setattr(
        folders, "file_system", lambda place: (lambda s, p: (Dying(s), p))(*real(place))
    )
    new = {"a.json": "[2]", "c.json": "[2]"}
    with contextlib.suppress(KeyboardInterrupt):
        export(tmp_path, new, run_id="r2")
    monkeypatch.setattr(folders, "file_system", real)
    whole = {
        "r1": {"a.json": "[1]", "old/b.json": "[1]"},
        "r2": new,
        None: None,
    }[marked_run_id(str(tmp_path))]
    assert whole is None or whole == {
        name: text for name, text in contents(tmp_path).items() if not name.startswith(".")
    }
    export(tmp_path, {"d.json": "[3]"}, run_id="r3")
    assert contents(tmp_path) == {"d.json": "[3]"}
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_mark_can_be_written_over_others_files(tmp_path: Path) -> None:
    (tmp_path / "part-0.parquet").write_text("x")
    write_mark(str(tmp_path), COMMIT)
    write_mark(str(tmp_path), COMMIT | {"run_id": "r2"})
    assert json.loads((tmp_path / MARK).read_text())["files"].keys() == {"part-0.parquet"}
    assert marked_run_id(str(tmp_path)) == "r2"
