"""The columns of a local file, looked at before Spark starts."""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.core.errors import MissingColumnError
from spark_jobs.formats import local_columns
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
        ("x.csv", '"URL";TEXT\nhttp://x,y;a cat\n'),
        ("x.csv", "\ufeffURL\tTEXT\r\nhttp://x\ta cat\r\n"),
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


def test_a_quote_in_a_tsv_file_has_no_meaning(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text('"URL"\tTEXT\nhttp://x\ta cat\n')
    assert columns(tmp_path) == ['"URL"', "TEXT"]


def test_columns_of_a_compressed_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"URL;TEXT\nhttp://x;a cat\n", mtime=0))
    assert columns(tmp_path) == ["URL", "TEXT"]


def test_files_beside_shards_and_counts_of_img2dataset(tmp_path: Path) -> None:
    """A folder as img2dataset leaves it: only the parquet files are read."""
    pq.write_table(LAION, tmp_path / "00000.parquet")
    (tmp_path / "00000.tar").write_bytes(b"tar")
    (tmp_path / "00000_stats.json").write_text("{}")
    assert columns(tmp_path) == ["URL", "TEXT"]


def test_files_of_another_format_than_the_one_asked_for_are_left_out(tmp_path: Path) -> None:
    pq.write_table(LAION, tmp_path / "1.parquet")
    (tmp_path / "0.csv").write_text("a,b\n")
    assert columns(tmp_path, "parquet") == ["URL", "TEXT"]
    assert columns(tmp_path, "csv") == ["a", "b"]
    assert columns(tmp_path) is None


def test_a_tree_of_too_many_names_is_not_walked_to_its_end(tmp_path: Path, monkeypatch) -> None:
    for k in range(4):
        (tmp_path / f"{k}").mkdir()
        pq.write_table(LAION, tmp_path / f"{k}/0.parquet")
    walked: list[str] = []
    walk = os.walk

    def counted(location: str) -> Iterator[tuple[str, list[str], list[str]]]:
        for item in walk(location):
            walked.append(item[0])
            yield item

    monkeypatch.setattr(os, "walk", counted)
    monkeypatch.setattr(local_columns, "_MAX_NAMES", 8)  # 4 folders, 4 files
    assert columns(tmp_path) == ["URL", "TEXT"]
    assert len(walked) == 5
    walked.clear()
    monkeypatch.setattr(local_columns, "_MAX_NAMES", 5)
    assert columns(tmp_path) is None
    assert len(walked) == 3  # the folder itself, then two of the four in it


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
        ("0.jsonl", '{"a": ' + "[" * 50_000 + "]" * 50_000 + "}"),
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
    (tmp_path / "pipes").mkdir()
    os.mkfifo(tmp_path / "pipes/0.csv")  # a read would wait for ever
    assert columns(tmp_path / "pipes") is None
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
