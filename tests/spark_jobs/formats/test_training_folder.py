"""The folder beside an output where a training goes on: only what is ours is emptied."""

from contextlib import suppress
from pathlib import Path

import pytest

from spark_jobs.core.errors import OutputTableError
from spark_jobs.formats.training_folder import mark_as_begun, training_folder


def test_files_of_others_stay(tmp_path: Path) -> None:
    beside = tmp_path / ".enc.training"
    beside.mkdir()
    (beside / "thesis.tex").write_text("x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.tex").write_text("x")
    (tmp_path / ".link.training").symlink_to(elsewhere)
    for name in ("enc", "link"):
        with pytest.raises(OutputTableError, match="holds what no run of captionlake wrote"):
            training_folder(str(tmp_path / name), "run").__enter__()
    assert (beside / "thesis.tex").is_file()
    assert (elsewhere / "thesis.tex").is_file()


def test_a_run_goes_on_and_another_begins_anew(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), training_folder(str(tmp_path / "enc"), "run") as (folder, _):
        (folder / "checkpoint").write_text("x")
        (folder / "away").symlink_to(tmp_path)
        mark_as_begun(folder, "run")
        raise KeyboardInterrupt
    seen = []
    for run in ("run", "other"):
        with suppress(KeyboardInterrupt), training_folder(str(tmp_path / "enc"), run) as (path, on):
            seen.append((on, (path / "checkpoint").exists()))
            raise KeyboardInterrupt
    assert seen == [(True, True), (False, False)]
    with training_folder(str(tmp_path / "enc"), "other"):
        pass
    assert not folder.exists()
    assert tmp_path.is_dir()


def test_a_removal_that_is_killed_half_way_leaves_a_folder_that_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_path: Path) -> None:
        raise KeyboardInterrupt

    with (
        suppress(KeyboardInterrupt),
        monkeypatch.context() as patched,
        training_folder(str(tmp_path / "enc"), "run") as (folder, _),
    ):
        for name in ("checkpoint", "model"):
            (folder / name).write_text("x")
        mark_as_begun(folder, "run")
        patched.setattr(Path, "unlink", killed)
    assert folder.exists()
    with training_folder(str(tmp_path / "enc"), "run") as (folder, goes_on):
        assert not goes_on
        assert not (folder / "checkpoint").exists()
    assert not folder.exists()
