"""Plain lines and JSON lines as rows."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from spark_jobs.ingest.text_lines import captions_from_lines, rows_from_jsonl

SCHEMA = StructType().add("caption", "string").add("n", "long")


def read(spark: SparkSession, tmp_path: Path, content: bytes):
    path = tmp_path / "lines"
    path.write_bytes(content)
    return spark.read.text(str(path), lineSep="\n")


def test_each_line_is_a_caption_and_one_cr_goes(spark: SparkSession, tmp_path: Path):
    lines = read(spark, tmp_path, b"a cat\r\n\n  two \rcats\r\r\nlast")
    captions = [row.caption for row in captions_from_lines(lines).collect()]
    assert captions == ["a cat", "", "  two \rcats\r", "last"]


def test_json_lines_give_rows_and_blank_ones_none(spark: SparkSession, tmp_path: Path):
    content = b'{"caption": "a \\"cat\\"", "n": 1}\n \t\r\n{"n": 2, "caption": null}\r\n'
    rows = rows_from_jsonl(read(spark, tmp_path, content), SCHEMA).collect()
    assert [(row.caption, row.n, row._fault) for row in rows] == [
        ('a "cat"', 1, None),
        (None, 2, None),
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (rb'{"caption": "a"}', None),
        (rb'{"caption": "a', "corrupt_json"),
        (rb"[1, 2]", "corrupt_json"),
        (rb'"a cat"', "corrupt_json"),
        (b'{"caption": "a \xff"}', "invalid_utf8"),
        (rb'{"caption": "a \ud800 b"}', "lone_surrogate"),
        (rb'{"caption": "a \udc00 b"}', "lone_surrogate"),
        (rb'{"caption": "\ud83d\ud83d\ude00"}', "lone_surrogate"),
        (rb'{"caption": "\ud83d\ude00"}', None),
        (rb'{"caption": "\\ud800 is escaped"}', None),
        (rb'{"caption": "\\\ud800"}', "lone_surrogate"),
        (rb'{"caption": "\u0041\ud7ff\ue000"}', None),
    ],
)
def test_what_a_line_of_json_suffers_from(spark: SparkSession, tmp_path: Path, line, fault):
    (row,) = rows_from_jsonl(read(spark, tmp_path, line), SCHEMA).collect()
    assert row._fault == fault
    if fault is None:
        assert row.caption == json.loads(line)["caption"]


def test_a_megabyte_of_escapes_is_read(spark: SparkSession, tmp_path: Path):
    caption = "\U0001f600é\\ " * 60_000
    content = json.dumps({"caption": caption}).encode()
    (row,) = rows_from_jsonl(read(spark, tmp_path, content), SCHEMA).collect()
    assert row._fault is None
    assert row.caption == caption
