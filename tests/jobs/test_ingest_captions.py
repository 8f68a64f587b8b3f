"""ingest-captions by its command: formats, globs, accounts."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def test_json_lines_with_faults_are_all_accounted_for(captionlake, spark, tmp_path: Path):
    lines = [
        rb'{"caption": "a cat", "score": 0.5}',
        rb'{"caption": null}',
        rb'{"caption": "a \ud800 cat"}',
        b'{"caption": "a \xff cat"}',
        rb'{"caption": "cut',
        b"",
        rb'{"caption": "a cat"}',
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    outcome = captionlake(
        *("ingest-captions", "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out")
    )
    assert outcome.summary["counts"] == {
        "rows_in": 6,
        "kept": 1,
        "rejected": 5,
        "corrupt_json": 1,
        "duplicate_uid": 1,
        "invalid_utf8": 1,
        "lone_surrogate": 1,
        "null_caption": 1,
    }
    rejected = spark.read.format("delta").load(str(tmp_path / "rejected")).collect()
    rows = {row.reason: row for row in rejected}
    assert rows["corrupt_json"].row == '{"caption": "cut'
    assert bytes(rows["invalid_utf8"].raw) == lines[3]


def test_a_glob_of_lines_and_a_source(captionlake, spark, tmp_path: Path):
    for k in range(3):
        (tmp_path / f"part{k}.txt").write_text(f"caption {k}\nshared\n")
    (tmp_path / "other.txt").write_text("not this\n")
    outcome = captionlake(
        *("ingest-captions", "--input", tmp_path / "part*.txt", "--output", tmp_path / "out"),
        *("--source", "mine"),
    )
    assert outcome.summary["counts"]["rows_in"] == 6
    rows = spark.read.format("delta").load(str(tmp_path / "out")).collect()
    assert sorted(r.caption for r in rows) == ["caption 0", "caption 1", "caption 2", "shared"]
    assert {row.source for row in rows} == {"mine"}


def test_datacomp_keeps_uids_and_carries_other_columns(captionlake, spark, tmp_path: Path):
    table = {
        "uid": ["0" * 32, "f" * 32],
        "url": ["u1", "u2"],
        "text": ["a cat", None],
        "original_width": [640, 480],
        "clip_l14_similarity_score": [0.25, 0.5],
        "sha256": ["s1", "s2"],
    }
    pq.write_table(pa.table(table), tmp_path / "shard.parquet")
    outcome = captionlake(
        *("ingest-captions", "--input", tmp_path / "shard.parquet", "--preset", "datacomp"),
        *("--output", tmp_path / "out"),
    )
    assert outcome.summary["counts"]["null_caption"] == 1
    (row,) = spark.read.format("delta").load(str(tmp_path / "out")).collect()
    expected = {
        "uid": "0" * 32,
        "caption": "a cat",
        "url": "u1",
        "width": 640,
        "similarity": 0.25,
        "sha256": "s1",
    }
    assert row.asDict() == expected
    (left_out,) = spark.read.format("delta").load(str(tmp_path / "rejected")).collect()
    assert left_out.uid == "f" * 32
    assert json.loads(left_out.row)["sha256"] == "s2"


def test_a_repeated_run_doubles_no_rejected_rows(captionlake, spark, tmp_path: Path):
    (tmp_path / "in.txt").write_text("a\na\n")
    arguments = ("ingest-captions", "--input", tmp_path / "in.txt", "--output", tmp_path / "out")
    assert captionlake(*arguments).summary["status"] == "done"
    assert captionlake(*arguments).summary["status"] == "up_to_date"
    forced = captionlake(*arguments, "--force").summary
    assert (forced["status"], forced["counts"]["rejected"]) == ("done", 1)
    assert spark.read.format("delta").load(str(tmp_path / "rejected")).count() == 1
    assert spark.read.format("delta").load(str(tmp_path / "runs")).count() == 2
