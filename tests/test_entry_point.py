"""The console script as Databricks' wheel tasks call it: a function, where any SystemExit fails."""

import sys
from importlib.metadata import distribution
from threading import Thread

import pytest

from spark_jobs.cli import main
from spark_jobs.jobs import report
from spark_jobs.running.command_line import run_alone


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of the program, to be filled."""
    argv = ["captionlake"]
    monkeypatch.setattr(sys, "argv", argv)
    return argv


@pytest.mark.parametrize("command", [["jobs"], ["--version"], ["report", "--help"], []])
def test_success_returns(arguments: list[str], command: list[str]) -> None:
    arguments += command or ["--help"]
    [script] = distribution("captionlake").entry_points.select(name="captionlake")
    assert script.load()() is None


def test_a_fault_is_an_exit_code_with_its_message(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments += ["report", "--table", "x", "--output", ""]
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert str(end.value) == "error: report: setting 'output' = '': a file's name is empty"
    assert str(end.value) in capsys.readouterr().err


def test_a_usage_fault_is_an_exit_code(arguments: list[str]) -> None:
    arguments += ["report", "--tabel", "x"]
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2


def test_a_job_of_its_own_file_returns_too(arguments: list[str]) -> None:
    arguments += ["--help"]
    run_alone(report.JOB)


def test_a_task_may_run_outside_of_the_main_thread(arguments: list[str]) -> None:
    arguments += ["--version"]
    ended: list[object] = []
    thread = Thread(target=lambda: ended.append(main()))
    thread.start()
    thread.join()
    assert ended == [None]
