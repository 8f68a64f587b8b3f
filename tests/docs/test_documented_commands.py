"""Every command of README.md and docs/*.md: its options are checked, and the slow tier runs it."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from spark_jobs.running import command_line
from spark_jobs.running.launch import Summary
from spark_jobs.running.registry import all_jobs
from tests import command_line as tested_command_line

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")

# Pages that are not run here, and why.
NOT_RUN = {
    "jobs.md": "its examples read the tables of each other",
    "tutorial.md": "test_walks.py runs it",
    "to-training.md": "test_walks.py runs it",
}
# Page -> commands that make what it starts from.
FIRST = {
    "jobs.md": ["init metaclip"],
    "retrieval.md": ["ingest-captions --input laion --preset laion400m --output ./captions"],
}
# Programs besides captionlake that blocks may call; only these are run.
RUN_BY_SHELL = ("printf", "export", "mkdir", "cp", "timeout")
NOT_RUN_PROGRAMS = (
    *("make", "source", "cd", "pip", "python", "img2dataset"),
    *("venv-pack", "hdfs", "databricks"),
)
IN_AN_IMAGE = "local:///opt/captionlake/lib/python3.11/site-packages/"


@dataclass(frozen=True)
class Command:
    """A command, with its `words`, and where it is written: `docs/inputs.md:12`."""

    text: str
    place: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)


@dataclass(frozen=True)
class Block:
    """The commands of a block of `sh`.

    Its first line may say why it is not run, "sh skip-run: REASON", or which path of the system it
    needs, "sh needs: PATH".
    """

    commands: list[Command]
    skip_reason: str | None
    needed_path: str | None


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    blocks = []
    for fence in _FENCE.finditer(text):
        language, _, info = fence[1].partition(" ")
        if language != "sh":
            continue
        first_line = text.count("\n", 0, fence.start()) + 2
        commands = _commands(fence[2], page, first_line)
        key, _, value = info.partition(": ")
        assert key in ("", "skip-run", "needs"), f"{page}:{first_line - 1}: {info}"
        blocks.append(
            Block(
                commands,
                value if key == "skip-run" else None,
                value if key == "needs" else None,
            )
        )
    return blocks


def _commands(code: str, page: Path, first_line: int) -> list[Command]:
    commands, pending, start = [], "", first_line
    for number, line in enumerate(code.splitlines(), start=first_line):
        start = start if pending else number
        pending += line
        if line.endswith("\\"):
            pending = pending[:-1]
        elif pending.strip():
            commands.append(Command(pending, f"{page.relative_to(ROOT)}:{start}"))
            pending = ""
    return commands


def other_fences(page: Path) -> list[str]:
    """The content of blocks of other languages, and of none."""
    fences = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [code for info, code in fences if info.partition(" ")[0] != "sh"]


def inline_commands(page: Path) -> list[Command]:
    """The code inside sentences and tables that may be a command."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    place = str(page.relative_to(ROOT))
    return [Command(code, place) for code in _INLINE.findall(text) if " " in code]


def ids(page: Path) -> str:
    return page.name


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    return tested_command_line.app()


@pytest.fixture(scope="module")
def options(app: typer.Typer) -> dict[str, set[str]]:
    """Command -> its options, such as `--output`."""
    group: Any = typer.main.get_command(app)
    return {
        name: {"--help", *(o for p in command.params for o in (*p.opts, *p.secondary_opts))}
        for name, command in group.commands.items()
    }


def run_captionlake(app: typer.Typer, words: list[str], place: str) -> None:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, f"{place}: captionlake {' '.join(words)}\n{result.stderr}"


def first_commands(page: Path) -> list[Command]:
    return [Command(f"captionlake {text}", "FIRST") for text in FIRST.get(page.name, [])]


def all_commands(page: Path) -> list[Command]:
    return [command for block in blocks_of(page) for command in block.commands]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)], ids=ids)
def test_settings_of_each_command_are_valid(
    page: Path, app: typer.Typer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each job is known and its settings load; nothing is executed, so this needs no Spark."""
    monkeypatch.setattr(command_line, "execute", without_executing)
    for command in [*first_commands(page), *all_commands(page)]:
        program, *arguments = command.words
        if program == "captionlake":
            run_captionlake(app, arguments, command.place)
        elif program == "spark-submit":
            run_captionlake(app, arguments_of_submitted_job(arguments), command.place)
        elif program == "make":
            assert f"\n{arguments[0]}:" in (ROOT / "Makefile").read_text(), command.place
        else:
            assert program in RUN_BY_SHELL + NOT_RUN_PROGRAMS, f"{command.place}: {command.text}"


def without_executing(job: Any, settings: Any, **_: Any) -> Summary:
    return Summary(job.name, "done", None, {}, {}, 0.0)


def arguments_of_submitted_job(arguments: list[str]) -> list[str]:
    """The job and its arguments: those after its file."""
    position = next(i for i, word in enumerate(arguments) if word.endswith(".py"))
    assert (ROOT / arguments[position].removeprefix(IN_AN_IMAGE)).is_file()
    return [Path(arguments[position]).stem.replace("_", "-"), *arguments[position + 1 :]]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_inside_sentences_have_these_options(
    page: Path, options: dict[str, set[str]]
) -> None:
    """Of `JOB --option` and `captionlake JOB --option`, the job and the option are there."""
    for command in inline_commands(page):
        words = command.text.split()
        is_whole = words[0] == "captionlake"
        name = words[1] if is_whole else words[0]
        assert not is_whole or name in options or name.isupper(), f"{page.name}: {command.text}"
        flags = [word.partition("=")[0] for word in words if re.match(r"--\w", word)]
        unknown = set(flags) - options.get(name, set(flags))
        assert not unknown, f"{page.name}: `{command.text}`: there is no {unknown}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_stand_in_blocks_of_sh(page: Path) -> None:
    lines = [line for code in other_fences(page) for line in code.splitlines()]
    assert [line for line in lines if line.startswith(("captionlake ", "$ "))] == []


def pages_to_run() -> list[Path]:
    return [page for page in PAGES if page.name not in NOT_RUN and any(blocks_to_run(page))]


def blocks_to_run(page: Path) -> list[Block]:
    return [block for block in blocks_of(page) if block.skip_reason is None]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", pages_to_run(), ids=ids)
def test_a_page_runs_from_top_to_bottom(
    page: Path, app: typer.Typer, folder: Path, spark: object
) -> None:
    commands = [
        command
        for block in blocks_to_run(page)
        if block.needed_path is None or Path(block.needed_path).exists()
        for command in block.commands
    ]
    for command in [*first_commands(page), *commands]:
        program, *arguments = command.words
        if program == "captionlake":
            run_captionlake(app, with_few_rows(arguments), command.place)
        elif program in RUN_BY_SHELL:
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            environment = {**os.environ, "PATH": path}
            subprocess.run(["bash", "-c", command.text], check=True, cwd=folder, env=environment)


def with_few_rows(arguments: list[str]) -> list[str]:
    """The demo and its captions with 2,000 rows, so that a test takes seconds."""
    is_demo = arguments[0] == "demo" or arguments[:2] == ["run", "demo"]
    return [*arguments, "--set", "rows=2000"] if is_demo else arguments


def test_blocks_are_parsed(tmp_path: Path) -> None:
    page = ROOT / "docs/concepts.md"
    blocks = blocks_of(page)
    first = blocks[0].commands
    assert [command.words[0] for command in first] == ["printf", "printf", "captionlake"]
    assert first[1].words[-2:] == [">", "ten_captions.txt"]
    assert blocks[0].skip_reason is None
    skipped = [b for p in PAGES for b in blocks_of(p) if b.skip_reason]
    assert all(len(block.skip_reason or "") > 10 for block in skipped)
    assert set(all_jobs()) >= {command.words[1] for command in first[2:]}
