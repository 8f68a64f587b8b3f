"""Each command has one topic, a whole sentence and an example that its settings take."""

import re
import shlex
from collections import Counter
from typing import Any

import pytest
from typer.testing import CliRunner

from spark_jobs.running import command_line
from spark_jobs.running.registry import TOPICS, all_jobs
from tests.command_line import app

OWN_COMMANDS = {"init", "jobs", "methods"}


def test_each_command_has_exactly_one_topic() -> None:
    topics = Counter(name for names in TOPICS.values() for name in names)
    assert topics == Counter({*all_jobs(), *OWN_COMMANDS})


def test_help_lists_the_commands_by_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = CliRunner().invoke(app(), ["--help"]).stdout.splitlines()
    titles = [line.rstrip(":").lower() for line in lines if re.fullmatch(r"[A-Z].*:", line)]
    assert titles == ["options", *TOPICS]
    commands = lines[lines.index("Start here:") :]
    names = [line.split()[0] for line in commands if re.match(r"  [a-z]", line)]
    assert names == [name for names in TOPICS.values() for name in names]
    assert not any(line.endswith("...") for line in commands)  # no summary is cut


def test_jobs_lists_the_commands_by_topic() -> None:
    lines = CliRunner().invoke(app(), ["jobs"]).stdout.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        f"{topic.capitalize()}:" for topic in TOPICS
    ]
    assert lines[1].split()[0] == "demo"
    marked = [line.split()[0].removeprefix("*") for line in lines[:-1] if line[1:2] == "*"]
    jobs = all_jobs()
    assert marked == [n for names in TOPICS.values() for n in names
                      if n in jobs and jobs[n].shared_folders]  # fmt: skip
    assert "build-index" in marked
    assert lines[-1].startswith(" * opens a folder as a path")


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(app(), ["--version"])
    assert (result.exit_code, result.stdout) == (0, "0.1.0\n")


@pytest.mark.parametrize("name", all_jobs())
def test_the_example_of_a_job_is_a_valid_command(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Parsed and checked as the command line does, with a double in place of the run."""
    job = all_jobs()[name]
    assert job.summary.endswith(".")
    assert job.summary[0].isupper()
    assert all(len(line) <= 78 for line in job.example.split("\n"))
    executed = []
    monkeypatch.setattr(
        command_line, "run_command", lambda job, *arguments, **options: executed.append(arguments)
    )
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(job.example.replace("\\\n", ""))
    result = CliRunner().invoke(app(), arguments)
    assert (program, arguments[0], result.exit_code) == ("captionlake", name, 0), result.output
    config, overrides, options = executed[0]
    if name != "run":  # whose recipe is a file of the user
        command_line.load_settings(job.settings, name, config, overrides, options)
    shown = CliRunner().invoke(app(), [name, "--help"]).stdout
    assert all(line.strip() in shown for line in job.example.split("\n"))
