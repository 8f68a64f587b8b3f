"""The walks of docs/tutorial.md and docs/to-training.md, each block run as it stands."""

import importlib.util
import re
import sys
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.docs.captionlake_here import run_program
from tests.processes import QUICK_JAVA

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)
_NOT_IN_THE_LOCK = ("duckdb", "polars")


def blocks_of(page: str) -> list[tuple[str, str]]:
    """(language and what follows it, content) of each block of a page, in order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [(fence[1], fence[2]) for fence in _FENCE.finditer(text)]


def run_block(info: str, content: str, folder: Path) -> str:
    """Run a block in a folder; returns what it printed. Python with a name for it is saved only."""
    if name := re.match(r"# (\w+\.py)\n", content):
        (folder / name[1]).write_text(content)
        return ""
    command = {"python": [sys.executable, "-c"], "sh": ["bash", "-euo", "pipefail", "-c"]}[info]
    environment = {**QUICK_JAVA, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    return run_program([*command, content], folder, environment)


def walk(page: str, folder: Path) -> None:
    """Run a page's blocks; lines of one without a language are printed by the block before it."""
    printed = ""
    for info, content in blocks_of(page):
        if info == "":
            # Not "text": what may be printed otherwise the next time.
            lines = [line.split() for line in printed.splitlines()]
            missing = [line for line in content.splitlines() if line.split() not in lines]
            assert missing == [], printed
        elif info != "text" and "skip-run" not in info:
            modules = [name for name in _NOT_IN_THE_LOCK if f"import {name}" in content]
            if all(importlib.util.find_spec(name) for name in modules):
                printed = run_block(info, content, folder)


@pytest.fixture(scope="module")
def walked(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walk")
    walk("tutorial.md", folder)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_tutorial_ends_with_a_list_that_img2dataset_takes(walked: Path) -> None:
    reader = pytest.importorskip("img2dataset.reader")
    (walked / "feather").mkdir()
    shards = reader.Reader(
        str(walked / "to_download"), "parquet", "url", "caption", None, None, ["uid"],
        number_sample_per_shard=10_000, done_shards=set(), tmp_path=str(walked / "feather"),
    )  # fmt: skip
    assert len([*shards]) == 1
    rows = pq.read_table(walked / "to_download").to_pylist()
    newts = [row for row in rows if "newt" in row["caption"]]
    assert len(newts) == 5
    assert (walked / "keys.txt").read_text().splitlines() == sorted(row["key"] for row in rows)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_snippet_of_to_training_runs_on_its_result(walked: Path) -> None:
    walk("to-training.md", walked)
    with tarfile.open(walked / "kept-00000.tar") as tar:
        kept = {name.partition(".")[0] for name in tar.getnames()}
    assert kept == {*(walked / "keys.txt").read_text().split()}


def test_the_pages_have_blocks_of_known_kinds() -> None:
    for page in ("tutorial.md", "to-training.md"):
        infos = [info for info, _ in blocks_of(page)]
        assert infos
        assert {info.partition(" ")[0] for info in infos} <= {"sh", "python", "text", ""}
