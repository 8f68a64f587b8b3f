"""What a command prints, where, and what it does not, with a double in place of the run."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from spark_jobs.core.errors import InputDataError
from spark_jobs.core.settings import Settings
from spark_jobs.running import command_line
from spark_jobs.running.command_line import build_command
from spark_jobs.running.job import Job, Pipeline
from spark_jobs.running.launch import Summary
from spark_jobs.running.result_lines import result_lines


class Walk(Settings):
    n: int = Field(1, description="steps")


JOB = Job("walk", "Walk.", Walk, lambda run, settings: {}, example="captionlake walk")
ANSWERING = Pipeline("walk", "Walk.", Walk, lambda *_: iter(()), answer_lines=lambda *_: ["42"])
DONE = Summary("walk", "done", "r1", {"output": "/x/walked"}, {"kept": 3}, 1.5)


def curated(folder: Path, status: str = "done", **changes: Any) -> Summary:
    fields: dict[str, Any] = {
        "job": "curate",
        "status": status,
        "run_id": "r",
        "outputs": {
            "match-concepts.output": f"{folder}/out/matches",
            "balance-captions.output": f"{folder}/out/balanced_captions",
            "report.output": f"{folder}/out/report.html",
        },
        "counts": {
            "ingest-captions": {"rows_in": 3_050, "kept": 3_000, "rejected": 50},
            "balance-captions": {"rows_in": 3_000, "kept": 1_525},
            "report": {"runs": 3},
        },
        "seconds": 45.2,
        "report": f"{folder}/out/report.html",
        "steps": [{"job": "ingest-captions", "status": status, "run_id": "r"}] * 3,
    }
    return Summary(**fields | changes)


def run(
    monkeypatch: pytest.MonkeyPatch,
    job: Any,
    *arguments: str,
    outcome: Summary | Exception = DONE,
    is_terminal: bool = False,
) -> Any:
    def execute(*_: Any, say: Any, **__: Any) -> Summary:
        if isinstance(outcome, Exception):
            raise outcome
        say("walk: done in 1.5 s: kept 3")
        return outcome

    monkeypatch.setattr(command_line, "execute", execute)
    monkeypatch.setattr(command_line, "is_terminal", lambda: is_terminal)
    app = typer.Typer(rich_markup_mode=None)
    app.command()(build_command(job))
    return CliRunner().invoke(app, arguments)


def test_off_a_terminal_the_last_line_of_stdout_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, JOB)
    assert json.loads(result.stdout)["counts"] == {"kept": 3}
    assert result.stderr == "walk: done in 1.5 s: kept 3\nIn /x: walked\n"


def test_on_a_terminal_there_is_no_json_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, JOB, is_terminal=True).stdout == ""
    asked = run(monkeypatch, JOB, "--json", is_terminal=True).stdout
    assert json.loads(asked)["job"] == "walk"


def test_a_failure_is_a_line_and_json_off_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = InputDataError("no\nway")
    failed = run(monkeypatch, JOB, outcome=fault)
    assert (failed.exit_code, failed.stderr) == (3, "error: no way\n")
    assert json.loads(failed.stdout) == {"job": "walk", "status": "failed", "error": "no way"}
    assert run(monkeypatch, JOB, outcome=fault, is_terminal=True).stdout == ""


def test_an_answer_is_all_that_stdout_has(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = Summary("walk", "done", None, {}, {}, 1.0, answer=["42", "43"])
    for is_terminal in (True, False):
        result = run(monkeypatch, ANSWERING, outcome=answered, is_terminal=is_terminal)
        assert result.stdout == "42\n43\n"
    asked = json.loads(run(monkeypatch, ANSWERING, "--json", outcome=answered).stdout)
    assert asked["answer"] == ["42", "43"]
    assert run(monkeypatch, ANSWERING, outcome=InputDataError("no")).stdout == ""


@pytest.mark.parametrize(
    ("flags", "level"),
    [([], logging.WARNING), (["-v"], logging.INFO), (["--verbose"], logging.INFO)],
)
def test_info_is_logged_with_verbose_alone(
    monkeypatch: pytest.MonkeyPatch, flags: list[str], level: int
) -> None:
    levels: list[int] = []
    monkeypatch.setattr(logging, "basicConfig", lambda *, level, **_: levels.append(level))
    run(monkeypatch, JOB, *flags)
    assert levels == [level]


def test_a_pipeline_ends_with_rows_tables_and_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert result_lines(curated(tmp_path)) == [
        "curate: done in 45.2 s: 3,050 rows in, 1,525 rows out (50.0%)",
        "In ./out: matches, balanced_captions",
        "Report: ./out/report.html",
    ]
    up_to_date = result_lines(curated(tmp_path, "up_to_date"))
    assert up_to_date[0] == "curate: up to date: 3,050 rows in, 1,525 rows out (50.0%)"
    assert result_lines(curated(tmp_path, "would_run")) == ["curate: 3 of 3 steps would run"]


def test_places_elsewhere_are_named_in_full(tmp_path: Path) -> None:
    in_catalog = curated(tmp_path, outputs={"a.output": "main.web.captions"}, report=None)
    assert result_lines(in_catalog)[1:] == ["In main.web: captions"]
    assert result_lines(curated(tmp_path))[-1] == f"Report: {tmp_path}/out/report.html"


def test_a_pipeline_that_only_answers_has_no_such_lines() -> None:
    assert result_lines(Summary("explain", "done", None, {}, {}, 1.0, answer=["42"])) == []
