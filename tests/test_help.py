"""`--help` of every job: each option has a line in plain words that agrees with the settings."""

import re
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from spark_jobs.core.settings import base_settings
from spark_jobs.running.option_help import plain_type
from spark_jobs.running.registry import all_jobs
from tests import command_line as tested_command_line

# Words of Python and of wrongly replaced names, which say nothing to a user.
FORBIDDEN = ["Annotated", "FieldInfo", "typing", "None", "subtexting", "Literal", "Undefined"]


def options_of(help_text: str) -> dict[str, str]:
    """Flag (or name of an argument) -> what its line says, whatever lines it is wrapped into."""
    lines = help_text.partition("Options:")[2].splitlines()
    entries: dict[str, str] = {}
    flag = ""
    for line in lines:
        if begun := re.match(
            r"  (?:-\w, )?--(\S+?)(?: / --no-\S+)?(?:,? VALUE| KEY=VALUE| PATH)?(?:  |$)", line
        ):
            flag = begun[1].partition("/")[0]
            line = line[begun.end() :]
        if flag:
            so_far = entries.get(flag, "")
            glue = "" if re.search(r"\w-$", so_far) else " "  # lines break behind a hyphen too
            entries[flag] = f"{so_far}{glue}{line.strip()}".strip()
    return entries


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    return tested_command_line.app()


@pytest.mark.parametrize("name", all_jobs())
def test_help_of_a_job(app: typer.Typer, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert [word for word in FORBIDDEN if word in shown.stdout] == []
    job = all_jobs()[name]
    options = options_of(shown.stdout)
    for setting, field in job.settings.model_fields.items():
        assert len(field.description or "") > 2, f"{setting} says nothing of itself"
        if setting in job.arguments:
            assert field.description in " ".join(shown.stdout.split())
            continue
        line = options[(field.alias or setting).replace("_", "-")]
        assert line.startswith(f"{field.description} [{plain_type(field.annotation)}")
        base = base_settings(name)
        assert ("; required]" in line) == (field.is_required() and setting not in base)
        default: Any = base.get(setting, field.get_default(call_default_factory=True))
        has_default = setting in base or not field.is_required()
        assert ("; default " in line) == (has_default and default is not None)
        if isinstance(default, int | str) and not isinstance(default, bool):
            assert f"; default {default or repr(default)}" in line


@pytest.mark.parametrize(
    ("name", "setting", "line"),
    [
        ("search-substrings", "rule", "[fts or substring; default fts]"),
        ("sample-subset", "classes", "[list of texts]"),
        ("report", "variables", "[map of names to values; default {}]"),
        ("report", "table", "[text; one of --table, --run or --recipe is required]"),
        ("match-and-balance", "columns", "[map of names to texts]"),
        ("curate", "t", "[whole number; default 20000]"),
        ("curate", "report", "[yes/no; default yes]"),
        ("plan-threshold", "thresholds", "[list of numbers]"),
        ("plan-threshold", "class-column", "[text; default wnid]"),
        ("filter-captions", "rules", "[list of maps; required]"),
        ("vary-captions", "texts", "default [title, tags, description]]"),
    ],
)
def test_lines_of_some_options(
    app: typer.Typer, name: str, setting: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    options = options_of(CliRunner().invoke(app, [name, "--help"]).stdout)
    assert options[setting].endswith(line), options[setting]


def test_a_type_without_plain_words_is_a_fault_of_ours() -> None:
    with pytest.raises(TypeError, match="no plain words for the type <class 'bytes'>"):
        plain_type(bytes)
