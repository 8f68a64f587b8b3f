"""The pages' tables of figures are what benchmarks/results has."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as runner
from benchmarks import page
from benchmarks.measuring import format_figure, report


@pytest.mark.parametrize("path", page.pages(), ids=lambda path: path.name)
def test_page_shows_the_results(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == page.rendered(text), "run `python -m benchmarks.page`"


def test_no_table_of_speed_is_typed_by_hand() -> None:
    text = page.BLOCK.sub("", (page.PAGES / "speed.md").read_text(encoding="utf-8"))
    assert "\n|" not in text


def test_results_have_neither_addresses_nor_paths() -> None:
    for file in page.RESULTS.glob("*.json"):
        result = json.loads(file.read_text(encoding="utf-8"))
        assert result["rows"], file.name
        assert "/tmp" not in str(result), file.name
        assert "://" not in str(result), file.name


def test_figures_have_three_digits() -> None:
    figures = (0.000085, 0.264, 1.0, 13.84, 99.96, 4_412.3, 4_412, None, "5 to 8")
    written = ["0.000085", "0.264", "1", "13.8", "100", "4,410", "4,412", "", "5 to 8"]
    assert [format_figure(figure) for figure in figures] == written


def test_a_block_has_table_conditions_and_note(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results")
    report("some", [{"a": 1}, {"a": 2.5, "b": "c"}], tmp_path, rounds=3, note="It was hot")
    head, unit, *rows = page.block("some").splitlines()
    assert (head, unit) == ("| a | b |", "| --- | --- |")
    assert rows[:2] == ["| 1 |  |", "| 2.5 | c |"]
    conditions = " ".join(rows[3:])
    assert conditions.startswith("Medians of 3 rounds, on ")
    assert conditions.endswith("before. It was hot.")


def test_the_runner_goes_on_after_a_failure(tmp_path: Path, monkeypatch, capsys) -> None:
    """What a failed benchmark wrote is not taken over; the exit status tells of it."""

    def run(command: list[str], **_: object) -> SimpleNamespace:
        name = command[2].removeprefix("benchmarks.")
        report(name, [{"arguments": " ".join(command[4:])}], Path(command[3]))
        return SimpleNamespace(returncode=int(name == "bad"))

    monkeypatch.setattr(runner, "subprocess", SimpleNamespace(run=run))
    monkeypatch.setattr(runner, "FOLDER", tmp_path / "bench")
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    monkeypatch.setattr(page, "PAGES", tmp_path)
    (tmp_path / "speed.md").write_text("<!-- bench: good -->\nold\n<!-- end -->\n")
    assert runner.main(["bad", "good 7 8"]) == 1
    assert "Failed: bad" in capsys.readouterr().err
    assert [file.name for file in tmp_path.glob("*.json")] == ["good.json"]
    assert "| 7 8 |" in (tmp_path / "speed.md").read_text()
    assert runner.main(["good"]) == 0
