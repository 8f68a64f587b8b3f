"""Prompts: the published ones, concepts that look like templates, templates that cannot be used."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spark_jobs.core.errors import SettingsError
from spark_jobs.formats.prompts import prompt_names, read_prompt
from udfs.captioning.prompts import Prompt


def test_published_prompts_come_out_byte_for_byte(cases: Path) -> None:
    rows = pq.read_table(cases / "synthclip_generation" / "expected_prompts.parquet").to_pylist()
    prompt = read_prompt("synthclip", None)
    assert len(rows) > 100
    assert [prompt.of(row["concept"]) for row in rows] == [row["prompt"] for row in rows]


@pytest.mark.parametrize(
    "concept", ["{{ x }}", "{% raw %}", "{#", "a\nb", '"', "<b>&", "", "\ue000"]
)
def test_a_concept_is_put_in_as_it_is(concept: str) -> None:
    assert Prompt("a {{ concept }} b").of(concept) == f"a {concept} b"


def test_a_prompt_is_another_by_its_text_alone() -> None:
    one = Prompt("{{ concept }} in {{ max_words }} words", 10)
    assert one.sha256 == Prompt("{{ concept }} in 10 words", 20).sha256
    assert one.sha256 != Prompt(one.template, 11).sha256


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a caption", "does not name the concept, expected {{ concept }} in it"),
        ("{{ concept", "is no Jinja template"),
        ("{{ konzept }}", "'konzept' is undefined"),
        ("{{ concept.__class__.__mro__ }}", "unsafe"),
        ("{{ concept }}{{ 1 / 0 }}", "cannot be filled in: division by zero"),
    ],
)
def test_a_template_that_cannot_be_used_is_told(
    template: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.j2").write_text(template)
    with pytest.raises(SettingsError, match=r"prompt .*mine\.j2: ") as fault:
        read_prompt(str(tmp_path / "mine.j2"), None)
    assert message in str(fault.value)


def test_an_unknown_prompt_is_told_with_those_there_are() -> None:
    assert {"caption", "synthclip"} <= {*prompt_names()}
    with pytest.raises(SettingsError, match="no prompt 'synthclp', did you mean 'synthclip'"):
        read_prompt("synthclp", None)


def test_files_of_strangers_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bytes.j2").write_bytes(b"\xff{{ concept }}")
    for name, message in (("bytes.j2", "is no UTF-8 text"), ("none.j2", "cannot be read")):
        with pytest.raises(SettingsError, match=message):
            read_prompt(str(tmp_path / name), None)
