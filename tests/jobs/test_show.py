"""show: what stands at an address, as people read it."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from spark_jobs.core.errors import SettingsError
from spark_jobs.core.settings import load_settings, validate_settings
from spark_jobs.jobs.show import Show, rows_where

IMAGE = bytes(2000)


@pytest.fixture(scope="module")
def pairs(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table written twice: three rows, then two others."""
    columns = "uid string, caption string, n long, image binary, entry_ids array<int>"
    table = tmp_path_factory.mktemp("show") / "pairs"
    old = [(f"old{k}", "an old caption", k, None, []) for k in range(3)]
    new = [
        ("new0", "a \x1b[31mred\ncat " + "x" * 9000, 10, bytearray(IMAGE), [*range(20)]),
        ("new1", None, 11, None, None),
    ]
    for rows in (old, new):
        frame = spark.createDataFrame(rows, columns).coalesce(1)
        frame.write.format("delta").mode("overwrite").save(str(table))
    return table


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")


def test_the_newest_version_with_schema_count_and_rows(captionlake, pairs: Path) -> None:
    shown = captionlake("show", pairs, "--columns", "uid,n,image,entry_ids,caption")
    assert shown.exit_code == 0, shown.stderr
    lines = shown.answer.splitlines()
    assert lines[0].startswith(f"{pairs}: Delta, version 1, 20")
    assert lines[0].endswith(", by WRITE of another program")
    assert lines[1] == "2 rows"
    assert lines[3:8] == [
        "uid        string", "n          bigint", "image      binary", "entry_ids  array<int>",
        "caption    string",
    ]  # fmt: skip
    assert lines[9].split() == ["uid", "n", "image", "entry_ids", "caption"]
    first, second = lines[11:]
    assert first.startswith("new0  10  2,000 bytes  [0, 1, 2, 3, 4, 5, 6, 7")
    assert "a \\x1b[31mred\\ncat" in first
    assert len(first) <= 110
    assert second.split() == ["new1", "11", "null", "null", "null"]


def test_rows_and_columns_are_chosen(captionlake, pairs: Path) -> None:
    shown = captionlake(
        *("show", pairs, "--version", 0, "--where", "n > 0", "-n", 1, "--columns", "n, caption")
    ).answer.splitlines()
    assert "version 0 (the newest is 1)" in shown[0]
    assert shown[1] == "3 rows, 2 where n > 0"
    assert shown[6:] == [
        "n  caption", "-  --------------", "1  an old caption", "", "... 1 more rows"
    ]  # fmt: skip
    assert captionlake("show", pairs, "-n", 0).answer.count("\n") == 7


def test_the_answer_alone_is_on_stdout(spark: SparkSession, pairs: Path) -> None:
    from typer.testing import CliRunner

    from tests.command_line import app

    shown = CliRunner().invoke(app(), ["show", str(pairs), "--columns", "uid"])
    assert shown.stdout.splitlines()[-2:] == ["new0", "new1"]


def test_files_beside_others_are_shown(captionlake, tmp_path: Path) -> None:
    """A folder as img2dataset leaves it, whose files differ in a type."""
    pq.write_table(pa.table({"url": ["https://a.b/c?w=1"], "n": [1]}), tmp_path / "00000.parquet")
    pq.write_table(pa.table({"url": ["y"], "n": [2.5]}), tmp_path / "00001.parquet")
    (tmp_path / "00000_stats.json").write_text("{}")
    (tmp_path / "00000.tar").write_bytes(b"tar")
    lines = captionlake("show", tmp_path).answer.splitlines()
    assert lines[:2] == [f"{tmp_path}: parquet, 2 files", "2 rows"]
    assert sorted(lines[8:]) == sorted(["https://a.b/c?w=1    1", "y                  2.5"])
    (tmp_path / "one.jsonl").write_text(json.dumps({"a.b": {"c": 1}, "d": "e"}) + "\n")
    lines = captionlake("show", tmp_path / "one.jsonl").answer.splitlines()
    assert lines[-1].split() == ['{"v":{"c":1}}', "e"]


def test_records_that_cannot_be_read_are_counted_and_left_out(
    captionlake, tmp_path: Path, caplog
) -> None:
    (tmp_path / "a.csv").write_text("uid;caption\n1;a cat\n2;a;dog\n3;a cow\n")
    lines = captionlake("show", tmp_path, "--where", "caption like '%cow'").answer.splitlines()
    assert lines[:2] == [f"{tmp_path}: csv, 1 file", "2 rows, 1 where caption like '%cow'"]
    assert lines[-1].split() == ["3", "a", "cow"]
    assert f"{tmp_path}: 1 records cannot be read and are left out" in caplog.text


class Unanalysed:
    """A frame of Spark Connect, whose conditions are looked at when its schema is asked for."""

    columns = ("uid", "n")

    def where(self, _condition: str) -> "Unanalysed":
        return self

    @property
    def schema(self) -> None:
        fault = AnalysisException("no column nope")
        for name in ("error_class", "_errorClass"):  # of Spark 3.5 and 4
            setattr(fault, name, "UNRESOLVED_COLUMN.WITH_SUGGESTION")
        raise fault


def test_a_faulty_condition_is_named_under_spark_connect_too() -> None:
    with pytest.raises(SettingsError, match=r"\(unresolved column\); its columns are uid, n"):
        rows_where(Unanalysed(), "nope > 1", "table t")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("uid,caption", ["uid", "caption"]),
        ("[uid, caption]", ["uid", "caption"]),
        ("no", ["no"]),
        ("1", ["1"]),
        (" uid ,, n,", ["uid", "n"]),
        ("", []),
    ],
)
def test_names_of_columns_on_the_command_line(option: str, names: list[str]) -> None:
    assert load_settings(Show, "show", None, [], {"table": "t", "columns": option}).columns == names


def test_names_that_are_no_texts_are_a_fault_in_our_words() -> None:
    with pytest.raises(SettingsError) as raised:
        validate_settings(Show, {"table": "t", "columns": [1]})
    assert str(raised.value).startswith("setting 'columns.0' = 1: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--where", "nope > 1"), "its columns are uid, caption, n, image, entry_ids"),
        (("--where", "n >"), "--where 'n >'"),
        (("--columns", "uid,captoin"), "no column 'captoin', did you mean 'caption'?"),
        (("--version", 7), "has the versions 0 to 1, there is no version 7"),
    ],
)
def test_what_cannot_be_asked_is_one_line(captionlake, pairs: Path, arguments, message) -> None:
    outcome = captionlake("show", pairs, *arguments)
    assert outcome.exit_code in {2, 3}
    assert message in outcome.error


def test_nothing_there_and_no_version_there(captionlake, tmp_path: Path) -> None:
    assert "does not exist" in captionlake("show", tmp_path / "x").error
    (tmp_path / "a.txt").write_text("a cat\n")
    outcome = captionlake("show", tmp_path / "a.txt", "--version", 1)
    assert "is no Delta table, so it has no version 1" in outcome.error
