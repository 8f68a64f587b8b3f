"""ingest-captions by its command: formats, globs, accounts."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.core.observed_sums import ObservedSums
from spark_jobs.ingest.source import Source
from tests.delta_tables import read_delta


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
    rejected = read_delta(spark, tmp_path / "rejected").collect()
    rows = {row.reason: row for row in rejected}
    assert rows["corrupt_json"].row == '{"caption": "cut'
    assert bytes(rows["invalid_utf8"].raw) == lines[3]


def test_a_glob_of_lines_and_a_source(captionlake, spark, tmp_path: Path, caplog):
    for k in range(3):
        (tmp_path / f"part{k}.txt").write_text(f"caption {k}\nshared\n")
    (tmp_path / "other.txt").write_text("not this\n")
    hidden = tmp_path / "hidden" / "_part3.txt"
    hidden.parent.mkdir()
    hidden.write_text("hidden from Spark\n")
    outcome = captionlake("ingest-captions", "--input", hidden, "--output", tmp_path / "none")
    assert outcome.exit_code == 3
    assert f"begin with _ or . are hidden from Spark; rename {hidden}" in outcome.stderr
    (tmp_path / "_part4.txt").write_text("caption 4\n")
    (tmp_path / "part5").mkdir()
    (tmp_path / "part5" / "_part5.txt").write_text("caption 5\n")
    outcome = captionlake(
        *("ingest-captions", "--input", tmp_path / "part*", "--output", tmp_path / "out"),
        *("--source", "mine"),
    )
    assert outcome.summary["counts"]["rows_in"] == 6
    rows = read_delta(spark, tmp_path / "out").collect()
    assert sorted(r.caption for r in rows) == ["caption 0", "caption 1", "caption 2", "shared"]
    assert {row.source for row in rows} == {"mine"}
    assert "left unread: _part5.txt: files and folders" in caplog.text


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
    (row,) = read_delta(spark, tmp_path / "out").collect()
    expected = {
        "uid": "0" * 32,
        "caption": "a cat",
        "url": "u1",
        "width": 640,
        "similarity": 0.25,
        "sha256": "s1",
    }
    assert row.asDict() == expected
    (left_out,) = read_delta(spark, tmp_path / "rejected").collect()
    assert left_out.uid == "f" * 32
    assert json.loads(left_out.row)["sha256"] == "s2"


def test_a_repeated_run_doubles_no_rejected_rows(captionlake, spark, tmp_path: Path):
    (tmp_path / "in.txt").write_text("a\na\n")
    arguments = ("ingest-captions", "--input", tmp_path / "in.txt", "--output", tmp_path / "out")
    assert captionlake(*arguments).summary["status"] == "done"
    assert captionlake(*arguments).summary["status"] == "up_to_date"
    forced = captionlake(*arguments, "--force").summary
    assert (forced["status"], forced["counts"]["rejected"]) == ("done", 1)
    assert read_delta(spark, tmp_path / "rejected").count() == 1
    assert read_delta(spark, tmp_path / "runs").count() == 2


ODD = ["a cat", 'say "hi"', "NA", "null", "a,b", "naïve 猫", "  spaced  ", "nbsp\u00a0"]


def written(folder: Path, form: str) -> Path:
    """The odd captions in a file of the form, with a column n of other data."""
    path = folder / f"odd.{form}"
    if form.startswith("csv"):
        quoted = ['"' + caption.replace('"', '""') + '"' for caption in [*ODD, "two\nlines"]]
        text = "caption,n\n" + "".join(f"{q},{k}\n" for k, q in enumerate(quoted))
    elif form.startswith("tsv"):
        text = "Caption\tn\r\n" + "".join(f"{caption}\t{k}\r\n" for k, caption in enumerate(ODD))
    elif form == "json":
        text = json.dumps([{"caption": caption, "n": k} for k, caption in enumerate(ODD)])
    else:
        text = "".join(json.dumps({"caption": caption}) + "\n" for caption in ODD)
    content = text.encode()
    path.write_bytes(gzip.compress(content) if form.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("form", ["csv", "csv.gz", "tsv", "tsv.gz", "json", "jsonl.gz"])
def test_each_form_gives_the_captions_as_they_are(captionlake, spark, tmp_path: Path, form: str):
    outcome = captionlake(
        *("ingest-captions", "--input", written(tmp_path, form), "--output", tmp_path / "out")
    )
    assert outcome.exit_code == 0, outcome.stderr
    kept = read_delta(spark, tmp_path / "out").collect()
    expected = [*ODD, "two\nlines"] if form.startswith("csv") else ODD
    assert {row.caption for row in kept} == set(expected)
    assert outcome.summary["counts"]["rows_in"] == len(expected)


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_bytes_that_are_no_utf8_are_rejected_in_text_forms(captionlake, tmp_path: Path, form: str):
    path = tmp_path / f"in.{form}"
    separator = b"," if form == "csv" else b"\t"
    path.write_bytes(b"n%scaption\n1%sa \xff cat\n2%sa cat\n".replace(b"%s", separator))
    outcome = captionlake("ingest-captions", "--input", path, "--output", tmp_path / "out")
    counts = outcome.summary["counts"]
    assert (counts["kept"], counts["invalid_utf8"]) == (1, 1)


def test_a_tsv_line_with_too_few_fields_is_rejected(captionlake, tmp_path: Path):
    (tmp_path / "cc12m.tsv").write_text("http://a\ta cat\nhttp://b\nhttp://c\ta\tdog\n")
    outcome = captionlake(
        *("ingest-captions", "--input", tmp_path / "cc12m.tsv", "--preset", "cc12m"),
        *("--output", tmp_path / "out"),
    )
    counts = outcome.summary["counts"]
    assert (counts["kept"], counts["wrong_number_of_fields"]) == (1, 2)


@pytest.mark.slow
def test_lists_of_strings_in_a_folder_of_chunks(captionlake, spark, tmp_path: Path):
    folder = tmp_path / "chunks"
    folder.mkdir()
    for k in range(2):
        captions = [f"caption {k}", "shared", "bad \ud800"]
        (folder / f"{k}.json").write_text(json.dumps(captions))
    (folder / "2.json").write_text("[]")
    outcome = captionlake(
        *("ingest-captions", "--input", folder, "--preset", "synthclip"),
        *("--output", tmp_path / "out"),
    )
    counts = {"rows_in": 6, "kept": 3, "rejected": 3, "duplicate_uid": 1, "lone_surrogate": 2}
    assert outcome.summary["counts"] == counts


def test_a_json_file_that_is_no_list_is_named(captionlake, tmp_path: Path):
    (tmp_path / "in.json").write_text(json.dumps({"caption": "a"}, indent=1))
    outcome = captionlake(
        *("ingest-captions", "--input", tmp_path / "in.json", "--output", tmp_path / "out")
    )
    assert outcome.exit_code == 3
    assert "in.json: is no JSON list (found dict)" in outcome.error
    assert not (tmp_path / "out").exists()


def test_synthclip_front_end_cleans_as_published(captionlake, spark, cases: Path, tmp_path: Path):
    rows = pq.read_table(cases / "metaclip_match/input_captions.parquet").to_pylist()
    expected = pq.read_table(cases / "metaclip_match/expected_synthclip.parquet").to_pylist()
    named = {"uid": [str(r["caption_id"]) for r in rows], "caption": [r["caption"] for r in rows]}
    pq.write_table(pa.table(named), tmp_path / "in.parquet")
    outcome = captionlake(
        *("ingest-captions", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"),
        *("--front-end", "synthclip"),
    )
    kept = read_delta(spark, tmp_path / "out").collect()
    assert {row.uid: row.caption for row in kept} == {
        str(row["caption_id"]): row["clean_text"] for row in expected if not row["dropped"]
    }
    assert outcome.summary["counts"]["line_feed"] == sum(row["dropped"] for row in expected)


def test_a_csv_record_with_other_fields_than_the_header_is_rejected_whole(
    captionlake, spark, tmp_path: Path
):
    (tmp_path / "in.csv").write_text('n,caption\n1,a cat\n2\n3,"a, dog",é\n4,"a ""newt"""\n')
    outcome = captionlake(
        *("ingest-captions", "--input", tmp_path / "in.csv", "--output", tmp_path / "out"),
        "--no-carry",
    )
    counts = {"rows_in": 4, "kept": 2, "rejected": 2, "wrong_number_of_fields": 2}
    assert outcome.summary["counts"] == counts
    kept = read_delta(spark, tmp_path / "out").collect()
    assert {row.caption for row in kept} == {"a cat", 'a "newt"'}
    rejected = read_delta(spark, tmp_path / "rejected").collect()
    assert {row.row for row in rejected} == {"2", '3,"a, dog",é'}


@pytest.mark.slow
def test_rows_are_counted_by_the_pass_over_the_keys(
    captionlake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pass of its own counts them, unless what that pass saw cannot be: tasks that ran twice."""
    (tmp_path / "in.csv").write_text('caption,n\na cat,1\n"a, b"c,2\na dog,3\n')
    counts = {"rows_in": 3, "kept": 2, "rejected": 1, "wrong_quotes": 1}
    command = ["ingest-captions", "--input", tmp_path / "in.csv", "--output", tmp_path / "out"]
    passes = []
    count = Source.count
    monkeypatch.setattr(Source, "count", lambda self: passes.append(1) or count(self))
    assert captionlake(*command).summary["counts"] == counts
    assert passes == []
    monkeypatch.setattr(ObservedSums, "get", lambda _self: {"n": 6})
    assert captionlake(*command, "--force").summary["counts"] == counts
    assert passes == [1]


@pytest.mark.slow
def test_with_a_bank_the_output_is_captions_and_matches(captionlake, spark, tmp_path: Path):
    texts = [f"a {('cat', 'dog', 'Ärger', 'nothing')[i % 4]} {i % 50}" for i in range(120)]
    uids = [f"u{i % 90}" for i in range(120)]  # 30 come twice
    table = pa.table({"uid": [*uids, "x", "y"], "caption": [*texts, None, ""], "n": range(122)})
    pq.write_table(table, tmp_path / "in.parquet")
    (tmp_path / "bank.txt").write_text("cat\nÄrger\nemu\na dog\n")
    source, bank = ("--input", tmp_path / "in.parquet"), ("--bank", tmp_path / "bank.txt")

    def run(job: str, name: str, *words: object) -> dict[str, int]:
        counts = ("--entry-counts", tmp_path / f"{name}_counts") if "--bank" in words else ()
        outcome = captionlake(job, *words, *counts, "--output", tmp_path / name)
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.summary["counts"]

    def rows(name: str) -> list[str]:
        return sorted(map(str, read_delta(spark, tmp_path / name).collect()))

    ingested = run("ingest-captions", "captions", *source)
    unique = run("dedup-captions", "unique", "--captions", tmp_path / "captions")
    for step, name, words in (
        (ingested, "captions", ("ingest-captions", "matches", *source)),
        (unique, "unique", ("dedup-captions", "some", "--captions", tmp_path / "captions")),
    ):
        apart = ("--captions", tmp_path / name, *bank, "--carry")
        matched = run("match-concepts", "apart", *apart)
        job, together, *more = words
        assert run(job, together, *more, *bank) == step | matched | {"rows_in": step["rows_in"]}
        assert rows(together) == rows("apart")
        assert rows(f"{together}_counts") == rows("apart_counts")
    assert (ingested["kept"], ingested["duplicate_uid"], unique["duplicates"] > 0) == (91, 30, True)
    refused = captionlake("ingest-captions", *source, "--entry-counts", "c", "--output", "o")
    assert (refused.exit_code, "entry_counts are of a bank" in refused.error) == (2, True)
