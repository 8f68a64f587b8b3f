"""Single files: replaced where a run wrote them, whole, and never those of others."""

import os
from pathlib import Path

import pytest

from spark_jobs.core.errors import InputDataError, OutputTableError
from spark_jobs.storage.file_stamps import stamp_of
from spark_jobs.storage.outputs import files
from spark_jobs.storage.outputs.files import check_file, mark_run, write_output_file
from spark_jobs.storage.outputs.folder_marks import read_file_mark

COMMIT = {"run_id": "r1", "made_of": {"draws": ["x"]}}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_marked_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "in/report.html"
    write_output_file(str(file), [b"<p>", b"1"])
    assert file.read_bytes() == b"<p>1"
    mark_run(str(file), COMMIT)
    write_output_file(str(file), [b"2"])
    assert file.read_bytes() == b"2"
    assert names(tmp_path / "in") == [".report.html._captionlake", "report.html"]
    mark = read_file_mark(str(file))
    assert mark is not None
    assert mark["run_id"] == "r1"
    assert len(mark["contents"]) == 1


@pytest.mark.parametrize("case", ["foreign", "edited", "touched", "same", "empty", "stale mark"])
def test_only_ours_or_an_empty_file_is_replaced(tmp_path: Path, case: str) -> None:
    file = tmp_path / "labels.tsv"
    if case in ("foreign", "empty"):
        file.write_text("" if case == "empty" else "by hand")
    else:
        write_output_file(str(file), [b"by a run"])
    if case == "touched":
        os.utime(file, (1, 1))
    elif case == "same":
        file.unlink()
        file.write_text("by a run")
    elif case == "edited":
        file.write_text("by hand!")
    elif case == "stale mark":
        file.unlink()
        file.write_text("by hand, another")
    before = file.read_bytes()
    if case in ("touched", "same", "empty"):
        write_output_file(str(file), [b"new"])
        assert file.read_bytes() == b"new"
    else:
        with pytest.raises(OutputTableError, match="no run of captionlake wrote, or that was cha"):
            write_output_file(str(file), [b"new"])
        assert file.read_bytes() == before


def test_a_folder_or_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputTableError, match="folder is a folder, expected a file"):
        check_file(str(tmp_path / "folder"))
    with pytest.raises(OutputTableError, match="cannot be written"):
        write_output_file(str(tmp_path / "x/below.txt"), [b"new"])
    with pytest.raises(OutputTableError, match=r"nosuch://b/x: cannot be written"):
        check_file("nosuch://b/x")
    assert (tmp_path / "x").read_text() == "1"
    assert stamp_of(str(tmp_path / "x")) is not None
    assert stamp_of("nosuch://b/x") is None


def test_a_fault_of_the_rows_leaves_the_old_file_and_is_told_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "labels.tsv"
    write_output_file(str(file), [b"old"])

    def parts():
        yield b"half"
        raise InputDataError("tsv: a row has no label")

    with pytest.raises(InputDataError, match=r"^tsv: a row has no label$"):
        write_output_file(str(file), parts())
    assert file.read_bytes() == b"old"
    assert names(tmp_path) == [".labels.tsv._captionlake", "labels.tsv"]


@pytest.mark.parametrize("dies_at", range(4))
def test_a_run_that_dies_leaves_the_old_or_the_new_which_stay_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """It dies before or after the first mark, and before or after the file is in its place."""
    file = tmp_path / "uids.npy"
    write_output_file(str(file), [b"old"])
    left = iter(range(dies_at))
    steps = files.mark_contents, files._move

    def dying(step):
        def do(*args: object) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            step(*args)

        return do

    with monkeypatch.context() as patch:
        patch.setattr(files, "mark_contents", dying(steps[0]))
        patch.setattr(files, "_move", dying(steps[1]))
        patch.setattr(files, "_remove", lambda *_: None)
        if dies_at < 3:
            with pytest.raises(KeyboardInterrupt):
                write_output_file(str(file), [b"new"])
        else:
            write_output_file(str(file), [b"new"])
    assert file.read_bytes() == (b"old" if dies_at < 2 else b"new")
    assert len(names(tmp_path)) == (3 if dies_at < 2 else 2)
    write_output_file(str(file), [b"newer"])
    assert file.read_bytes() == b"newer"
    assert names(tmp_path) == [".uids.npy._captionlake", "uids.npy"]
