"""export-pairs: all rows of the newest version, as other programs read them."""

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.jobs import export_pairs
from spark_jobs.jobs.export_pairs import ExportPairs, closing_lines
from tests.delta_tables import read_delta

N = 300
EXPORT = ("export-pairs", "--input")


def uid_of(k: int) -> str:
    return f"{k:024x}abcdef12"


@pytest.fixture(scope="module")
def tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`pairs`, written four times; `matches` of its even rows; `captions`, all it came from."""
    folder = tmp_path_factory.mktemp("pairs")
    rows = [
        (uid_of(k), f'a "cat", {k}\n猫', f"https://a.b/{k}.jpg" if k else None, 8, f"{k:09}", [k])
        for k in range(N)
    ]
    columns = "uid string, caption string, url string, width int, key string, entry_ids array<int>"
    frame = spark.createDataFrame(rows, columns)
    for n in (N, 7, 20, 200):
        newest = frame.where(f"entry_ids[0] < {n}")
        newest.write.format("delta").mode("overwrite").save(str(folder / "pairs"))
    frame.write.format("delta").save(str(folder / "captions"))
    matches = newest.where("entry_ids[0] % 2 = 0").select("uid", "entry_ids")
    matches.write.format("delta").save(str(folder / "matches"))
    return folder


def test_the_newest_rows_alone_under_the_names_asked_for(captionlake, tables, tmp_path) -> None:
    """Of the four versions' 527 rows, which a reader of the folder's parquet files would get."""
    outcome = captionlake(
        *(*EXPORT, tables / "pairs", "--output", tmp_path / "list"),
        *("--columns", "{url: URL, caption: TEXT}", "--rows-per-file", 100),
        *("--keys", tmp_path / "keys.txt"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert len(pd.read_parquet([*(tables / "pairs").glob("*.parquet")])) > 200
    frame = pd.read_parquet(tmp_path / "list").sort_values("key").reset_index(drop=True)
    assert [*frame.columns] == ["uid", "URL", "TEXT", "width", "key"]
    assert [*frame.uid] == [uid_of(k) for k in range(200)]
    assert [*frame.TEXT] == [f'a "cat", {k}\n猫' for k in range(200)]
    assert [*frame.URL[1:]] == [f"https://a.b/{k}.jpg" for k in range(1, 200)]
    n_files = len([*(tmp_path / "list").glob("pairs_*.parquet")])
    assert n_files > 2
    assert outcome.summary["counts"] == {
        "rows_in": 200, "rows": 200, "files": n_files, "without_url": 1, "keys": 200
    }  # fmt: skip
    assert (tmp_path / "keys.txt").read_text() == "".join(f"{k:09}\n" for k in range(200))
    assert "1 rows have no url" in outcome.stderr
    assert "--url_col URL --caption_col TEXT" in outcome.stderr


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_text_files_and_uids_of_matches_with_their_captions(
    captionlake, tables, tmp_path, format_
) -> None:
    outcome = captionlake(
        *(*EXPORT, tables / "matches", "--captions", tables / "captions"),
        *("--output", tmp_path / "list", "--format", format_, "--no-carry"),
        *("--keys", tmp_path / "uids.npy", "--line-breaks", "space"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    (file,) = (tmp_path / "list").glob(f"*.{format_}")
    frame = pd.read_csv(file) if format_ == "csv" else pd.read_json(file, lines=True)
    frame = frame.sort_values("uid")
    assert [*frame.columns] == ["uid", "url", "caption", "width"]
    gap = " " if format_ == "csv" else "\n"
    assert [*frame.caption] == [f'a "cat", {k}{gap}猫' for k in range(0, 200, 2)]
    uids = np.load(tmp_path / "uids.npy")
    assert [f"{high:016x}{low:016x}" for high, low in uids] == [*frame.uid]
    assert (outcome.summary["counts"].get("with_line_break") == 100) == (format_ == "csv")


def test_no_row_is_lost_or_doubled_in_silence(captionlake, spark, tables, tmp_path) -> None:
    arguments = (*EXPORT, tables / "matches", "--output", tmp_path / "list")
    captions = read_delta(spark, tables / "captions")
    for name, changed, message in [
        ("few", captions.where("entry_ids[0] > 9"), "5 of the 100 rows"),
        ("twice", captions.union(captions), "has 100 rows, but 200 would be written"),
    ]:
        changed.write.format("delta").save(str(tmp_path / name))
        outcome = captionlake(*arguments, "--captions", tmp_path / name)
        assert (outcome.exit_code, message in outcome.error) == (3, True), outcome.stderr
        assert not [*(tmp_path / "list").glob("*.parquet")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("matches",), "has no column 'caption'; give --captions"),
        (("pairs", "--columns", "{capton: TEXT}"), "no column 'capton', did you mean 'caption'?"),
        (
            ("pairs", "--columns", "{caption: url}"),
            "'url' and 'caption' would both be called 'url'",
        ),
        (("pairs", "--columns", "{entry_ids: ids}", "--format", "csv"), "take --format parquet"),
        (("pairs", "--format", "csv"), "200 rows have line breaks in a text"),
        (("pairs", "--key-column", "key"), "key_column is of a text file of --keys"),
        (("pairs", "--keys", "OUT/list/keys.txt"), "give a file outside of the output"),
        (
            ("pairs", "--keys", "OUT/k.txt", "--key-column", "caption"),
            "200 rows have no usable key",
        ),
        (
            ("pairs", "--keys", "OUT/k.txt", "--key-column", "width"),
            "key '8' of the column 'width'",
        ),
    ],
)
def test_what_cannot_be_written_is_one_line(
    captionlake, tables, tmp_path, arguments, message
) -> None:
    table, *options = (argument.replace("OUT", str(tmp_path)) for argument in arguments)
    outcome = captionlake(*EXPORT, tables / table, "--output", tmp_path / "list", *options)
    assert outcome.exit_code in {2, 3}
    assert message in outcome.error


def settings(**values: str) -> ExportPairs:
    return ExportPairs(**({"input": "/in", "output": "/a/b"} | values))  # type: ignore[arg-type]


@pytest.mark.parametrize("keys", ["/a/b/k.txt", "file:/a/b/k.txt", "file:///a/x/../b/c/k.txt"])
@pytest.mark.parametrize("output", ["/a/b", "/a/b/", "file:///a/b"])
def test_keys_among_the_files_are_refused_however_they_are_written(keys: str, output: str) -> None:
    with pytest.raises(ValueError, match="give a file outside of the output"):
        settings(keys=keys, output=output)
    settings(keys=keys.replace("/b/", "/bc/"), output=output)


def test_keys_that_are_uids_are_named() -> None:
    counts = {"rows_in": 2, "rows": 2, "files": 1, "keys": 2}
    line = "  keys are uids: the table has no column 'key'; give --key-column where the shards have"
    with_uids = closing_lines(None, settings(keys="/k.txt"), counts | {"without_key": 2})  # type: ignore[arg-type]
    assert with_uids[0] == f"{line} other keys"
    assert len(with_uids) == 1 + len(closing_lines(None, settings(keys="/k.txt"), counts))  # type: ignore[arg-type]


def test_the_command_that_downloads_can_be_pasted_into_a_shell() -> None:
    made = settings(output="/my list", columns={"url": "the url", "uid": "it's"})  # type: ignore[arg-type]
    line = closing_lines(None, made, {"without_url": 0})[-1]  # type: ignore[arg-type]
    words = shlex.split(line)
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert words[0] == "img2dataset"
    assert options["--url_list"] == "/my list"
    assert options["--output_folder"] == "images"  # as in the docs; shards may be the input's
    assert options["--url_col"] == "the url"
    assert json.loads(options["--save_additional_columns"]) == ["it's"]


@pytest.mark.slow
def test_long_captions_of_another_table_come_a_few_at_a_time(
    captionlake, spark, tmp_path, monkeypatch
) -> None:
    """200 captions of a megabyte, of which a batch of Spark's usual 10,000 rows would take all."""
    n = 200
    caption = F.expr("substring(repeat(md5(string(id)), 32768), 1, 1048576)")
    long = spark.range(n).select(
        F.format_string("%032x", "id").alias("uid"), caption.alias("caption")
    )
    long.coalesce(2).write.format("delta").save(str(tmp_path / "captions"))
    long.select("uid").write.format("delta").save(str(tmp_path / "pairs"))
    limits: list[int] = []
    write = export_pairs.write_pairs

    def spy(*arguments, **options):
        limits.append(int(spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch")))
        return write(*arguments, **options)

    monkeypatch.setattr(export_pairs, "write_pairs", spy)
    outcome = captionlake(
        *(*EXPORT, tmp_path / "pairs", "--captions", tmp_path / "captions"),
        *("--output", tmp_path / "list", "--keys", tmp_path / "keys.txt"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert 1 <= limits[0] <= 100
    frame = pd.read_parquet(tmp_path / "list")
    assert sorted(frame.uid) == [f"{k:032x}" for k in range(n)]
    assert {*frame.caption.str.len()} == {1048576}
    assert (tmp_path / "keys.txt").read_text() == "".join(f"{k:032x}\n" for k in range(n))
    assert outcome.summary["counts"]["without_key"] == n
    assert "keys are uids: the table has no column 'key'" in outcome.stderr


def test_nul_in_csv_and_rows_without_caption_are_refused(captionlake, spark, tmp_path) -> None:
    for name, caption, message in [
        ("nul", "a\0b", "1 rows hold the character NUL"),
        ("null", None, "1 rows have no caption"),
    ]:
        frame = spark.createDataFrame([("a", caption)], "uid string, caption string")
        frame.write.format("delta").save(str(tmp_path / name))
        outcome = captionlake(
            *(
                "export-pairs",
                "--input",
                tmp_path / name,
                "--output",
                tmp_path / "list",
                "--format",
                "csv",
            )
        )
        assert (outcome.exit_code, message in outcome.error) == (3, True), outcome.stderr


def test_a_table_without_rows_is_a_file_without_rows(captionlake, spark, tmp_path) -> None:
    frame = spark.createDataFrame([], "uid string, caption string, url string")
    frame.write.format("delta").save(str(tmp_path / "none"))
    outcome = captionlake(
        *(*EXPORT, tmp_path / "none", "--output", tmp_path / "list"),
        *("--keys", tmp_path / "keys.txt"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert (tmp_path / "keys.txt").read_bytes() == b""
    assert "keys are uids: the table has no column 'key'" in outcome.stderr
    frame = pd.read_parquet(tmp_path / "list")
    assert (len(frame), [*frame.columns]) == (0, ["uid", "url", "caption"])
