"""The columns of a local file, looked at before Spark starts."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.core.errors import MissingColumnError
from spark_jobs.formats.caption_input import CaptionInput
from spark_jobs.formats.local_columns import columns_of_first_file
from spark_jobs.jobs.curate import Curate
from spark_jobs.jobs.run import RunRecipe

LAION = pa.table({"URL": ["http://x"], "TEXT": ["a cat"]})


def columns(path: Path, format_: str | None = None) -> list[str] | None:
    first = columns_of_first_file(str(path), format_)  # type: ignore[arg-type]
    return None if first is None else first[1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", '"URL",TEXT\nhttp://x,"a\ncat"\n'),
        ("x.tsv", "URL\tTEXT\nhttp://x\ta cat\n"),
        ("x.jsonl", '{"URL": "u"}\n\n{"TEXT": "a cat"}\n'),
        ("x.json", '[{"URL": "u"}, {"TEXT": "a cat"}]'),
    ],
)
def test_columns_of_each_format(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_text(content)
    (tmp_path / "in/_hidden.txt").write_text("")
    assert columns(tmp_path / "in") == columns(tmp_path / "in" / name) == ["URL", "TEXT"]
    assert columns(tmp_path / "in", "parquet") is None


def test_columns_of_parquet_in_a_folder_of_any_depth(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    pq.write_table(LAION, tmp_path / "a/b/0.parquet")
    assert columns(tmp_path) == ["URL", "TEXT"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("0.json", '[["a cat", [1]]]'),
        ("0.jsonl", "{"),
        ("0.parquet", "no parquet"),
        ("0.txt", "a cat"),
        ("0.csv.gz", "URL"),
        ("lang=en/0.csv", "URL"),
        ("_delta_log/0.json", "{}"),
        ("0.jsonl", json.dumps({"URL": "x" * 2_000_000})),
    ],
)
def test_what_cannot_be_said_is_left_to_spark(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    assert columns(tmp_path) is None


def test_files_of_several_formats_tables_and_globs_are_left_to_spark(tmp_path: Path) -> None:
    pq.write_table(LAION, tmp_path / "0.parquet")
    (tmp_path / "1.csv").write_text("URL")
    assert columns(tmp_path) is None
    assert columns(tmp_path / "*.parquet") is None
    assert columns_of_first_file(f"parquet:{tmp_path}", None) is None
    assert columns_of_first_file("main.web.captions", None) is None


class TestBeforeSpark:
    """What `execute` asks the settings before it opens a session."""

    ADVICE = "give --preset laion400m, laion5b or relaion, or --columns '{url: URL, caption: TEXT}'"

    def test_ingest_and_curate_name_the_preset(self, tmp_path: Path) -> None:
        pq.write_table(LAION, tmp_path / "0.parquet")
        curate = {"bank": "b.txt", "output": "out", "t": 5}
        for settings in (
            CaptionInput(input=str(tmp_path)),
            Curate(input=str(tmp_path), **curate),
        ):
            with pytest.raises(MissingColumnError) as raised:
                settings.look_ahead()
            assert self.ADVICE in str(raised.value)
        CaptionInput(input=str(tmp_path), preset="laion400m").look_ahead()
        CaptionInput(input=str(tmp_path), columns={"caption": "TEXT"}).look_ahead()
        CaptionInput(input=str(tmp_path / "none")).look_ahead()

    def test_run_names_the_step(self, tmp_path: Path) -> None:
        pq.write_table(LAION, tmp_path / "0.parquet")
        recipe = RunRecipe(recipe="metaclip", input=str(tmp_path), bank=str(tmp_path / "b.txt"))
        with pytest.raises(MissingColumnError, match=r"^metaclip: step captions: .*laion400m"):
            recipe.look_ahead()
