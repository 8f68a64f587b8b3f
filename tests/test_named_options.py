"""Every option that a message or a page names is one that a command takes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import typer

from spark_jobs.cli import build_app

ROOT = Path(__file__).parents[1]
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9_-]*[a-z0-9])(?: (true|false)\b)?")
OF_OTHERS = {"--driver-memory", "--executor-memory", "--packages", "--py-files", "--wheel"}
OF_OTHERS |= {"--properties-file", "--outdir", "--target", "--params"}  # and of Databricks' CLI
OF_OTHERS |= {"--no-deps"}  # and of pip
OF_OTHERS |= {"--help", "--version", "--add-modules", "--glob"}  # and of Java and Hadoop
# open_clip's: with which export-webdataset ends, and those of its trainer.
OF_OTHERS |= {"--dataset-type", "--train-data", "--grad-checkpointing", "--accum-freq"}
# img2dataset's, in the command with which export-pairs ends.
OF_OTHERS |= {"--url_list", "--input_format", "--url_col", "--caption_col"}
OF_OTHERS |= {"--save_additional_columns", "--output_format", "--output_folder"}


def texts(path: Path) -> Iterator[str]:
    """What of a file is meant to be read: of a module its strings."""
    if path.suffix != ".py":
        yield path.read_text()
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_option_that_is_named_is_taken() -> None:
    commands = typer.main.get_command(build_app()).commands.values()  # type: ignore[attr-defined]
    parameters = [parameter for command in commands for parameter in command.params]
    taken = {name for p in parameters for name in (*p.opts, *p.secondary_opts)} | OF_OTHERS
    flags = {name for p in parameters if p.secondary_opts for name in p.opts}
    packages = ("spark_jobs", "udfs", "conf", "notebooks")
    suffixes = {".py", ".yml", ".ipynb"}
    files = [p for folder in packages for p in (ROOT / folder).rglob("*") if p.suffix in suffixes]
    files.remove(ROOT / "spark_jobs/running/command_line.py")  # it makes them
    wrong = [
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path in (*files, ROOT / "README.md")
        for text in texts(path)
        for found in OPTION.finditer(text)
        if found[1] not in taken or (found[2] and found[1] in flags)
    ]
    assert not wrong, "\n".join(wrong)
