"""filter-captions: LAIONet's published filter, decisions, and rules that cannot be read."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.delta_tables import read_delta


def read(spark: SparkSession, path: Path) -> DataFrame:
    return read_delta(spark, path)


SIMILARITY = "text_to_name_def_wnid_similarity"
SAFE = "{rule: nsfw, column: NSFW, op: ==, value: UNLIKELY}"
LABELLED = "{rule: labelled, column: wnid, op: is_null, value: false}"


@pytest.mark.parametrize("threshold", [0.7, 0.82])
@pytest.mark.parametrize("remove_nsfw", [False, True])
def test_laionets_filter(
    captionlake, spark: SparkSession, cases: Path, tmp_path: Path, threshold, remove_nsfw
) -> None:
    folder = cases / "laionet_filter_subsets"
    rows = pq.read_table(folder / "input_rows.parquet").to_pandas()
    labels = pq.read_table(folder / "input_labels.parquet").to_pandas()
    labelled = rows.merge(labels, on="row_id", how="left")
    labelled["uid"] = labelled["row_id"].astype(str)
    labelled.to_parquet(tmp_path / "in.parquet")
    rules = [
        f"{{rule: similarity, column: {SIMILARITY}, op: '>', value: {threshold}}}",
        LABELLED,
        *([SAFE] if remove_nsfw else []),
    ]
    outcome = captionlake(
        *("filter-captions", "--captions", tmp_path / "in.parquet", "--output", tmp_path / "out"),
        *("--set", f"rules=[{', '.join(rules)}]"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    expected = pq.read_table(folder / "expected_filter.parquet").to_pandas()
    of_run = (expected["threshold"] == threshold) & (expected["remove_nsfw"] == remove_nsfw)
    published = sorted(map(tuple, expected[of_run][["row_id", "wnid"]].to_numpy().tolist()))
    found = read(spark, tmp_path / "out").select("row_id", "wnid").collect()
    assert sorted(map(tuple, found)) == published
    assert len(published) > 100


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    columns = {
        "uid": [f"u{k}" for k in range(10)],
        "caption": ["x"] * 10,
        "similarity": pa.array([k / 10 for k in range(9)] + [None], pa.float32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "captions.parquet")
    pq.write_table(pa.table({"uid": ["u8", "u7", "u7", "v"]}), tmp_path / "known.parquet")
    return tmp_path / "captions.parquet"


@pytest.mark.slow
def test_every_row_has_its_reason(captionlake, spark, captions: Path, tmp_path: Path) -> None:
    rules = (
        "[{rule: clip, top_fraction: 0.5, column: similarity}, "
        f"{{rule: known, in_table: {tmp_path / 'known.parquet'}}}]"
    )
    command = ["filter-captions", "--captions", captions, "--output", tmp_path / "out"]
    outcome = captionlake(*command, "--decisions", "--set", f"rules={rules}")
    assert outcome.exit_code == 0, outcome.stderr
    counts = {"rows_in": 10, "kept": 2, "dropped_clip": 5, "dropped_known": 3}
    assert outcome.summary["counts"] == counts
    rows = read(spark, tmp_path / "out")
    assert {row.uid for row in rows.collect()} == {"u7", "u8"}
    assert rows.columns == ["uid", "caption", "similarity"]
    told = {row.uid: row for row in read(spark, tmp_path / "decisions").collect()}
    assert len(told) == 10
    assert (told["u3"].kept, told["u3"].rule) == (False, "clip")
    assert (round(told["u3"].value, 6), round(told["u3"].threshold, 6)) == (0.3, 0.4)
    assert (told["u9"].rule, told["u9"].value) == ("clip", None)
    assert (told["u5"].kept, told["u5"].rule, told["u5"].value) == (False, "known", None)
    assert (told["u7"].kept, told["u7"].rule) == (True, "passed")
    # A table of a rule is an input: when it changes, the run is not up to date any more.
    assert captionlake(*command, "--set", f"rules={rules}", "--decisions").summary["status"] == (
        "up_to_date"
    )
    pq.write_table(pa.table({"uid": ["u8"]}), tmp_path / "known.parquet")
    again = captionlake(*command, "--set", f"rules={rules}", "--decisions")
    assert again.summary["counts"]["kept"] == 1


def test_scores_of_another_table(captionlake, spark, captions: Path, tmp_path: Path) -> None:
    scores = {"uid": ["u1", "u2", "u3"], "score": pa.array([0.2, 0.9, 0.8], pa.float32())}
    pq.write_table(pa.table(scores), tmp_path / "scores.parquet")
    command = ["filter-captions", "--captions", captions, "--output", tmp_path / "out"]
    command += ["--set", "rules=[{rule: clip, column: score, op: '>=', value: 0.5}]"]
    outcome = captionlake(*command, "--scores", tmp_path / "scores.parquet")
    assert outcome.exit_code == 0, outcome.stderr
    assert {row.uid for row in read(spark, tmp_path / "out").collect()} == {"u2", "u3"}
    scores["uid"][0] = "u2"
    pq.write_table(pa.table(scores), tmp_path / "scores.parquet")
    outcome = captionlake(*command, "--scores", tmp_path / "scores.parquet")
    assert outcome.exit_code == 3
    assert "'u2' has 2 scores" in outcome.error


@pytest.mark.parametrize(
    ("rules", "exit_code", "message"),
    [
        ("[]", 2, "expected 1 or more items, found 0"),
        ("[{rule: a, column: c, op: '=', value: 1}]", 2, "expected '>'"),
        ("[{rule: a, column: similarty, op: '>', value: 1}]", 3, "did you mean 'similarity'?"),
        ("[{rule: a, in_table: /gone}]", 3, "/gone"),
        (
            "[{rule: a, column: uid, op: ==, value: x}, {rule: a, column: uid, op: ==, value: y}]",
            2,
            "two rules are called 'a'",
        ),
    ],
)
def test_rules_that_cannot_be_held(
    captionlake, captions: Path, tmp_path: Path, rules: str, exit_code: int, message: str
) -> None:
    command = ["filter-captions", "--captions", captions, "--output", tmp_path / "out"]
    outcome = captionlake(*command, "--set", f"rules={rules}")
    assert outcome.exit_code == exit_code, outcome.stderr
    assert message in outcome.error


def test_faults_of_all_rules_in_one_line_before_anything_runs(
    captionlake, captions: Path, tmp_path: Path
) -> None:
    command = ["filter-captions", "--captions", captions, "--output", tmp_path / "out"]
    rules = (
        "[{rule: a, column: caption, op: '>', value: 1}, {rule: b, column: similarity, op: in, "
        "value: []}, {rule: c, any_of: [{rule: d, top_fraction: 0.1, column: caption}]}]"
    )
    outcome = captionlake(*command, "--set", f"rules={rules}")
    assert outcome.exit_code == 3
    for fault in (
        "rule 'a': column 'caption' is string, compared by > with 1: expected text",
        "rule 'b': column 'similarity' is float, compared by in with []: expected at least one",
        "rule 'c', in it 'd': column 'caption' is string, expected numbers for top_fraction",
    ):
        assert fault in outcome.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("rule", "uids"),
    [
        ("op: '>=', value: 0.7", {"u7", "u8"}),
        ("op: '>', value: 0.7", {"u8"}),
        ("op: ==, value: 0.7", {"u7"}),
        ("op: in, value: [0.7, 0.1]", {"u1", "u7"}),
        ("op: not_in, value: [0.7, 0.1]", {"u0", "u2", "u3", "u4", "u5", "u6", "u8"}),
        ("op: between, value: [0.6, 0.7]", {"u6", "u7"}),
        ("op: <=, value: 0.1", {"u0", "u1"}),
    ],
)
def test_float32_rows_equal_what_was_written(
    captionlake, spark, captions: Path, tmp_path: Path, rule: str, uids: set[str]
) -> None:
    command = ["filter-captions", "--captions", captions, "--output", tmp_path / "out"]
    outcome = captionlake(*command, "--set", f"rules=[{{rule: r, column: similarity, {rule}}}]")
    assert outcome.exit_code == 0, outcome.stderr
    assert {row.uid for row in read(spark, tmp_path / "out").collect()} == uids
    counts = {"rows_in": 10, "kept": len(uids), "dropped_r": 10 - len(uids)}
    assert outcome.summary["counts"] == counts


def test_decisions_hold_the_numbers_that_were_compared(
    captionlake, spark, captions: Path, tmp_path: Path
) -> None:
    command = ["filter-captions", "--captions", captions, "--output", tmp_path / "out"]
    rules = "[{rule: r, column: similarity, op: '>', value: 0.7}]"
    assert captionlake(*command, "--decisions", "--set", f"rules={rules}").exit_code == 0
    rows = {row.uid: row for row in read(spark, tmp_path / "decisions").collect()}
    assert rows["u7"].value == rows["u7"].threshold == float(np.float32(0.7))
    assert all(row.value <= row.threshold for row in rows.values() if row.value is not None)


def test_what_drops_everything_is_said(captionlake, captions: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": pa.array([None], pa.string())}), tmp_path / "null.parquet")
    pq.write_table(pa.table({"uid": pa.array([], pa.string())}), tmp_path / "none.parquet")
    scores = {"uid": ["v", "w"], "score": pa.array([0.2, 0.9], pa.float32())}
    pq.write_table(pa.table(scores), tmp_path / "scores.parquet")
    command = ["filter-captions", "--captions", captions]
    for name in ("null", "none"):
        rule = f"{{rule: known, in_table: {tmp_path / name}.parquet}}"
        first = "{rule: low, column: similarity, op: <, value: 0.5}"
        rules = f"rules=[{first}, {rule}]"
        outcome = captionlake(*command, "--output", tmp_path / f"out_{name}", "--set", rules)
        assert outcome.exit_code == 0, outcome.stderr
        counts = {"rows_in": 10, "kept": 0, "dropped_low": 5, "dropped_known": 5}
        assert outcome.summary["counts"] == counts
        assert "rule 'known' dropped all 5 rows that reached it" in outcome.stderr
        assert "rule 'low' dropped all" not in outcome.stderr
    rules = "rules=[{rule: clip, column: score, op: '>=', value: 0.5}]"
    command += ["--scores", tmp_path / "scores.parquet", "--output", tmp_path / "out"]
    outcome = captionlake(*command, "--set", rules)
    assert outcome.summary["counts"]["without_score"] == 10
    assert f"10 of 10 captions have no score in {tmp_path / 'scores.parquet'}" in outcome.stderr
    assert "rule 'clip' dropped all 10 rows that reached it" in outcome.stderr


def test_scores_of_captions_of_one_image(captionlake, spark, tmp_path: Path) -> None:
    """A null caption_id is a key too; scores without caption_id would be those of several rows."""
    ids = pa.array([0, 1, None], pa.int32())
    rows = {"uid": ["u", "u", "v"], "caption_id": ids, "caption": ["a", "b", "c"]}
    pq.write_table(pa.table(rows), tmp_path / "captions.parquet")
    score = pa.array([0.1, 0.9, 0.9], pa.float32())
    scores = {"uid": rows["uid"], "caption_id": ids, "score": score}
    pq.write_table(pa.table(scores), tmp_path / "scores.parquet")
    command = ["filter-captions", "--captions", tmp_path / "captions.parquet"]
    command += ["--output", tmp_path / "out", "--scores", tmp_path / "scores.parquet"]
    command += ["--set", "rules=[{rule: clip, column: score, op: '>=', value: 0.5}]"]
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    assert {row.caption for row in read(spark, tmp_path / "out").collect()} == {"b", "c"}
    pq.write_table(pa.table(scores).drop_columns(["caption_id"]), tmp_path / "scores.parquet")
    assert "has no column 'caption_id'" in captionlake(*command).error


def test_columns_called_like_those_of_decisions_stay(captionlake, spark, tmp_path: Path) -> None:
    rows = {"uid": ["u", "v"], "rule": ["a", "b"], "value": [1, 2], "kept": [True, False]}
    pq.write_table(pa.table(rows | {"threshold": [0, 0]}), tmp_path / "in.parquet")
    outcome = captionlake(
        *("filter-captions", "--captions", tmp_path / "in.parquet", "--output", tmp_path / "out"),
        *("--decisions", "--set", "rules=[{rule: r, column: value, op: '>', value: 1}]"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert read(spark, tmp_path / "out").first().asDict() == {
        **{"uid": "v", "rule": "b", "value": 2, "kept": False, "threshold": 0}
    }
