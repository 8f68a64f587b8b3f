"""Folders of files: replaced as a whole, marked last, and nobody else's files touched."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from spark_jobs.core.errors import OutputTableError
from spark_jobs.storage.outputs import folder_swap
from spark_jobs.storage.outputs.folder_marks import MARK, marked_run_id, read_mark, write_mark
from spark_jobs.storage.outputs.folder_swap import (
    JOURNAL,
    check_folder,
    is_being_replaced,
    replaced_folder,
)
from spark_jobs.storage.outputs.folders import write_file

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


def test_files_without_a_mark_are_others_whatever_they_are_called(tmp_path: Path) -> None:
    (tmp_path / "captions_00000.json").write_text("[1]")
    with pytest.raises(OutputTableError, match=r"such as captions_00000\.json, that no run"):
        export(tmp_path, {"captions_00000.json": "[2]"})
    assert contents(tmp_path) == {"captions_00000.json": "[1]"}


def test_another_export_in_the_folder_is_refused_and_stays(tmp_path: Path) -> None:
    export(tmp_path, {"a_0.json": "[1]"}, content="export-captions --name a")
    for content in ("export-captions --name b", None):
        with pytest.raises(OutputTableError, match="holds export-captions --name a of run r1"):
            export(tmp_path, {"b_0.json": "[2]"}, content=content)
    assert contents(tmp_path) == {"a_0.json": "[1]"}
    export(tmp_path, {"a_0.json": "[2]"}, run_id="r2", content="export-captions --name a")
    assert contents(tmp_path) == {"a_0.json": "[2]"}


def test_files_of_the_earlier_export_that_are_gone_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export(tmp_path, {"a_0.json": "[1]", "a_1.json": "[1]", "n.npy": "1"}, content="a")
    assert not caplog.messages
    export(tmp_path, {"a_0.json": "[2]"}, run_id="r2", content="a")
    assert caplog.messages == [
        f"output {tmp_path}: n.npy of the earlier export was not written this time and removed"
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (MARK, '{"files": 5, "run_id": 3}'),
        (MARK, "[1"),
        (JOURNAL, '{"staging": "../../x", "new": 5}'),
        (JOURNAL, '{"staging": ".writing-dead", "new"'),
    ],
)
def test_a_mark_or_journal_that_is_none_makes_nothing_ours(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / "thesis.tex").write_text("years")
    (tmp_path / name).write_text(content)
    with pytest.raises(OutputTableError, match=r"such as thesis\.tex"):
        check_folder(str(tmp_path))


def test_a_journal_reaches_no_file_outside(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in/out", tmp_path / "thesis.tex"
    folder.mkdir(parents=True)
    outside.write_text("years")
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved/x").write_text("1")
    journal = {
        "staging": "../../moved",
        "new": ["../../y"],
        "files": ["../../thesis.tex"],
        "commit": COMMIT,
    }
    (folder / JOURNAL).write_text(json.dumps(journal))
    export(folder, {"a.json": "[1]"})
    assert outside.read_text() == "years"
    assert (tmp_path / "moved/x").exists()
    assert contents(folder) == {"a.json": "[1]"}


def test_a_file_or_a_delta_table_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "table/_delta_log").mkdir(parents=True)
    with pytest.raises(OutputTableError, match="file is a file, expected a folder"):
        export(tmp_path / "file", {"a.json": "[1]"})
    with pytest.raises(OutputTableError, match="table holds a Delta table"):
        export(tmp_path / "table", {"a.json": "[1]"})
    with pytest.raises(OutputTableError, match="cannot be written"):
        export(tmp_path / "file/below", {"a.json": "[1]"})
    assert (tmp_path / "file").read_text() == "x"


def test_of_two_runs_at_once_the_last_leaves_its_files_whole(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def run(name: str, n: int) -> None:
        with replaced_folder(str(tmp_path), COMMIT | {"run_id": name}) as staging:
            both.wait()
            for number in range(n):
                write_file(f"{staging}/{name}_{number}.json", name.encode())
            both.wait()

    threads = [threading.Thread(target=run, args=args) for args in (("r1", 5), ("r2", 9))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last, n = {"r1": ("r1", 5), "r2": ("r2", 9)}[str(marked_run_id(str(tmp_path)))]
    assert contents(tmp_path) == {f"{last}_{number}.json": last for number in range(n)}
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_a_run_finds_what_it_wrote_before_unless_it_would_fail_again(tmp_path: Path) -> None:
    def begin(fault: type[BaseException], run_id: str) -> list[str]:
        with replaced_folder(str(tmp_path), {"run_id": run_id}, is_resumable=True) as staging:
            before = sorted(contents(Path(staging)))
            write_file(f"{staging}/{run_id} {len(before)}.json", b"[]")
            if fault is not Exception:
                raise fault
        return before

    for fault in (KeyboardInterrupt, ZeroDivisionError):
        with pytest.raises(fault):
            begin(fault, "r2")
    assert begin(Exception, "r2") == ["r2 0.json", "r2 1.json"]
    with pytest.raises(OutputTableError):
        begin(OutputTableError, "r3")
    assert begin(Exception, "r3") == []
    assert sorted(contents(tmp_path)) == ["r3 0.json"]


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


CHANGES = ("move", "delete_file", "delete_dir", "open_output_stream", "create_dir")


@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize("dies_at", range(16))
def test_a_run_that_dies_at_any_step_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int, goes_on: bool
) -> None:
    """Each change on the disk is the last one once; the next run finishes what was begun."""
    export(tmp_path, {"a.json": "[1]", "old/b.json": "[1]"})
    new = {"a.json": "[2]", "new/c.json": "[2]"}
    left = iter(range(dies_at))
    is_dead = False

    class Dying(pafs.LocalFileSystem):
        """A file system that stops after so many changes."""

        def __getattribute__(self, name: str) -> object:
            nonlocal is_dead
            if name in CHANGES and (is_dead or next(left, None) is None):
                is_dead = True
                raise KeyboardInterrupt
            return super().__getattribute__(name)

    def dying(location: str) -> tuple[object, str]:
        return Dying(), folder_swap_file_system(location)[1]

    folder_swap_file_system = folder_swap.file_system
    with monkeypatch.context() as patch:
        for module in ("folder_swap", "folder_marks", "folders"):
            patch.setattr(f"spark_jobs.storage.outputs.{module}.file_system", dying)
        patch.setattr("spark_jobs.storage.outputs.folder_swap.locked", unlocked)
        with contextlib.suppress(KeyboardInterrupt):
            export(tmp_path, new, run_id="r2", is_resumable=goes_on)
    old = {"a.json": "[1]", "old/b.json": "[1]"}
    run_id, is_moving = marked_run_id(str(tmp_path)), is_being_replaced(str(tmp_path))
    seen = {name: text for name, text in contents(tmp_path).items() if not name.startswith(".")}
    assert is_moving or seen == {"r1": old, "r2": new}[str(run_id)]
    if goes_on:
        with replaced_folder(str(tmp_path), COMMIT | {"run_id": "r2"}, is_resumable=True) as folder:
            for name in new.keys() - contents(Path(folder)).keys():
                write_file(f"{folder}/{name}", new[name].encode())
        assert marked_run_id(str(tmp_path)) == "r2"
        assert contents(tmp_path) == new
    elif is_moving:
        folder_swap._finish_journal(str(tmp_path))
        assert marked_run_id(str(tmp_path)) == "r2"
        assert contents(tmp_path) == new
    export(tmp_path, {"d.json": "[3]"}, run_id="r3")
    assert contents(tmp_path) == {"d.json": "[3]"}
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("fails_at", range(1, 4))
def test_a_fault_while_files_move_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    export(tmp_path, {f"{k}.json": "[1]" for k in range(3)})
    moves = iter(range(1, 100))

    class Failing:
        """A file system of which one move fails, and all else works."""

        def __init__(self, real: object) -> None:
            self.real = real

        def __getattr__(self, name: str) -> object:
            if name == "move" and next(moves) == fails_at:
                raise OSError(28, "No space left on device")
            return getattr(self.real, name)

    real = folder_swap.file_system
    with monkeypatch.context() as patch:
        patch.setattr(
            "spark_jobs.storage.outputs.folder_swap.file_system",
            lambda location: (Failing(real(location)[0]), real(location)[1]),
        )
        with pytest.raises(OutputTableError, match="No space left"):
            export(tmp_path, {f"{k}.json": "[2]" for k in range(3)}, run_id="r2")
    assert is_being_replaced(str(tmp_path))
    folder_swap._finish_journal(str(tmp_path))
    assert contents(tmp_path) == {f"{k}.json": "[2]" for k in range(3)}
    assert marked_run_id(str(tmp_path)) == "r2"


@contextlib.contextmanager
def unlocked(*_: object, **__: object) -> Iterator[bool]:
    """A kill frees locks."""
    yield True


def test_a_journal_whose_staged_files_are_lost_gives_no_mark(tmp_path: Path) -> None:
    export(tmp_path, {"a.json": "[1]"})
    journal = {"staging": ".writing-0", "new": ["b.json"], "files": ["a.json", "b.json"]}
    (tmp_path / JOURNAL).write_text(json.dumps(journal | {"commit": COMMIT}))
    folder_swap._finish_journal(str(tmp_path))
    assert marked_run_id(str(tmp_path)) is None
    export(tmp_path, {"d.json": "[3]"}, run_id="r3")
    assert contents(tmp_path) == {"d.json": "[3]"}


def test_a_mark_can_be_written_over_others_files(tmp_path: Path) -> None:
    (tmp_path / "part-0.parquet").write_text("x")
    write_mark(str(tmp_path), COMMIT)
    write_mark(str(tmp_path), COMMIT | {"run_id": "r2"})
    assert json.loads((tmp_path / MARK).read_text())["files"].keys() == {"part-0.parquet"}
    assert marked_run_id(str(tmp_path)) == "r2"
