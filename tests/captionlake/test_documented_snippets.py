"""The snippets of docs/python.md run one after the other, and print what stands there."""

import re
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
CAPTIONS = ["a dog", "two dogs and a dog", "a dog in a red car", "a red car", "a car", "the sea"]


def snippets() -> list[str]:
    """The blocks of Python, without those for Databricks alone."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    return [block for block in blocks if "/Volumes/" not in block]


def test_the_page_has_snippets() -> None:
    assert len(snippets()) > 7


@pytest.mark.slow
def test_the_snippets_run(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for folder in ("pairs", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pairs" / "captions.txt").write_text("\n".join(CAPTIONS))
    for bank in ("bank.txt", "data/bank.txt"):
        (tmp_path / bank).write_text("dog\ncar\nred car\n")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for snippet in snippets():
        exec(snippet, names)
    result = names["result"]
    counts = re.search(r"result.counts +# (.*)", PAGE)
    assert counts is not None
    assert counts[1].replace('"', "'") == str(result.counts)
    assert capsys.readouterr().out.strip().splitlines()[-1] in PAGE
    assert names["curated"].report.read().startswith(b"<!doctype html>")
