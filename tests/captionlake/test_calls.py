"""Calls: what arrives at a job, where lines on progress go, and faults."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import captionlake as cl
from spark_jobs.core.settings import Settings
from spark_jobs.running import launch
from spark_jobs.running.launch import Summary


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Settings, bool]]:
    """The jobs that would have run: name, settings, force."""
    calls: list[tuple[str, Settings, bool]] = []

    def execute(
        job: Any, settings: Settings, *, force: bool, say: Callable[[str], None]
    ) -> Summary:
        calls.append((job.name, settings, force))
        say(f"{job.name}: done, from s3://user:secret@bucket/x")
        return Summary(job.name, "done", "0" * 16, {}, {}, 0.0)

    monkeypatch.setattr(launch, "execute", execute)
    return calls


def test_arguments_become_settings(executed: list[Any]) -> None:
    result = cl.balance_captions(
        captions="./captions", matches=Path("matches"), t=20, output="./balanced", force=True
    )
    [(name, settings, force)] = executed
    assert (name, force, result.status) == ("balance-captions", True, "done")
    assert settings.captions == str(Path("captions").resolve())
    assert settings.matches == str(Path("matches").resolve())  # a bare word, but a Path
    assert settings.t == 20


def test_a_setting_may_be_given_in_place_of_the_default_of_the_base_file(
    executed: list[Any],
) -> None:
    cl.curate("./captions", bank="./bank", output="./out", target_rows=5)
    cl.curate("./captions", bank="./bank", output="./out")
    (_, by_rows, _), (_, by_default, _) = executed
    assert (by_rows.t, by_rows.target_rows) == (None, 5)
    assert (by_default.t, by_default.target_rows) == (20_000, None)


def test_a_recipe_takes_variables_and_settings_of_steps(
    executed: list[Any], tmp_path: Path
) -> None:
    cl.run(
        "metaclip",
        input=tmp_path,
        bank=tmp_path / "bank.txt",
        output=tmp_path,
        set={"balanced_captions.t": 10},
        matches={"duplicates": "last"},
    )
    steps = {step.name: step.settings for step in executed[0][1].chosen_steps()}
    assert steps["balanced_captions"].t == 10
    assert steps["matches"].duplicates == "last"
    assert steps["matches"].bank == str(tmp_path / "bank.txt")


def test_lines_on_progress_go_to_stderr_redacted(executed: list[Any], capsys: Any) -> None:
    cl.demo(output="./demo")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "demo: done, from s3://***@bucket/x\n"


def test_quiet_sends_them_to_the_log(executed: list[Any], capsys: Any, caplog: Any) -> None:
    with caplog.at_level(logging.INFO, logger="captionlake"):
        cl.demo(output="./demo", quiet=True)
    assert capsys.readouterr().err == ""
    assert caplog.messages == ["demo: done, from s3://***@bucket/x"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: cl.match_concepts(captons="./c", bank="./b", output="./m"),
            "match-concepts: setting 'captions' is missing; unknown setting 'captons', "
            "did you mean 'captions'?",
        ),
        (
            lambda: cl.run("metaclip", inptu="./c", bank="./b"),
            "there is no step or variable 'inptu', did you mean 'input'?",
        ),
        (lambda: cl.run("metaclp"), "no recipe 'metaclp', did you mean 'metaclip'?"),
        (lambda: cl.run("metaclip", set=3), "run: set: expected a map of step.setting to value"),
    ],
)
def test_faults_of_settings_are_one_line(
    call: Callable[[], Any], message: str, executed: list[Any]
) -> None:
    with pytest.raises(cl.SettingsError) as fault:
        call()
    assert message in str(fault.value)
    assert "\n" not in str(fault.value)
    assert fault.value.__cause__ is None
    assert executed == []


def test_a_fault_of_a_file_system_is_a_curation_error(monkeypatch: Any) -> None:
    def execute(*_: Any, **__: Any) -> Summary:
        raise PermissionError(13, "Permission denied", "/locked")

    monkeypatch.setattr(launch, "execute", execute)
    with pytest.raises(cl.FileError, match=r"/locked: cannot be read or written"):
        cl.demo(output="./demo")


def test_any_other_fault_keeps_its_traceback(monkeypatch: Any) -> None:
    def execute(*_: Any, **__: Any) -> Summary:
        raise ZeroDivisionError

    monkeypatch.setattr(launch, "execute", execute)
    with pytest.raises(ZeroDivisionError):
        cl.demo(output="./demo")


def test_settings_by_position_are_those_of_the_command_line(executed: list[Any]) -> None:
    with pytest.raises(TypeError, match=r"takes no setting by position: name .*captions=\.\.\."):
        cl.match_concepts("./captions", "./bank")
    with pytest.raises(TypeError, match=r"takes input alone by position: name the others, bank"):
        cl.curate("./captions", "./bank")
    with pytest.raises(TypeError, match="two values for 'input'"):
        cl.curate("./captions", input="./other")
    assert executed == []


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
