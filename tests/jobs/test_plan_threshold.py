"""plan-threshold as a job: table, picture, and what it says of faulty input."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta


def test_the_plan_is_stored_drawn_and_told(
    captionlake, spark: SparkSession, tmp_path: Path
) -> None:
    scores = pa.array([0.1, 0.5, 0.75, 0.9, None], pa.float32())
    table = {"uid": list("abcde"), "wnid": ["x", "x", "y", "y", "y"], "score": scores}
    pq.write_table(pa.table(table), tmp_path / "scores.parquet")
    command = ["plan-threshold", "--scores", tmp_path / "scores.parquet"]
    command += ["--output", tmp_path / "plan", "--picture", tmp_path / "plan.svg"]
    outcome = captionlake(*command, "--set", "thresholds=[0.4, 0.7, 0.95]")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {"rows_in": 5, "scored": 4, "thresholds": 3}
    rows = read_delta(spark, tmp_path / "plan").orderBy("threshold").collect()
    told = [(r.threshold, r.rows, r.classes, r.class_similarity) for r in rows]
    assert [row[:3] for row in told] == [(0.4, 3, 2), (0.7, 2, 1), (0.95, 0, 0)]
    assert [row[3] and round(row[3], 4) for row in told] == [0.6625, 0.825, None]
    assert "<svg" in (tmp_path / "plan.svg").read_text()
    assert "0.70              2" in outcome.stderr
    outcome = captionlake(*command, "--column", "scor")
    assert outcome.exit_code == 3
    assert "has no column 'scor', did you mean 'score'?" in outcome.error


@pytest.mark.parametrize(
    ("settings", "exit_code", "message"),
    [
        ("thresholds=[0.1, .nan]", 2, ".nan is no number"),
        ("thresholds=[.inf]", 2, "finite number"),
        ("thresholds=[1.0e+39]", 3, "compared with 1e+39: is beyond float"),
        ("column=wnid", 3, "column 'wnid' is string, expected numbers"),
        ("class_column=ids", 3, "column 'ids' is array<int>, expected plain values for classes"),
    ],
)
def test_what_is_no_threshold(captionlake, tmp_path: Path, settings, exit_code, message) -> None:
    table = {"wnid": ["x"], "score": pa.array([0.1], pa.float32())}
    table["ids"] = pa.array([[1]], pa.list_(pa.int32()))
    pq.write_table(pa.table(table), tmp_path / "scores.parquet")
    command = ["plan-threshold", "--scores", tmp_path / "scores.parquet"]
    outcome = captionlake(*command, "--output", tmp_path / "plan", "--set", settings)
    assert outcome.exit_code == exit_code, outcome.stderr
    assert message in outcome.error


def test_the_plan_counts_what_the_filter_keeps(captionlake, tmp_path: Path) -> None:
    """Thresholds in any order, twice, and equal to what float32 rows hold."""
    scores = pa.array([k / 100 for k in range(100)], pa.float32())
    table = {"uid": [f"u{k}" for k in range(100)], "score": scores}
    pq.write_table(pa.table(table), tmp_path / "scores.parquet")
    command = ["plan-threshold", "--scores", tmp_path / "scores.parquet", "--output"]
    command += [tmp_path / "plan", "--class-column", ""]
    outcome = captionlake(*command, "--set", "thresholds=[0.825, 0.82, 0.7, 0.82, 0]")
    assert outcome.summary["counts"] == {"rows_in": 100, "scored": 100, "thresholds": 4}
    shown = [
        line.split()[:2] for line in outcome.stderr.splitlines()[-5:-1]
    ]  # the last says where it is
    assert shown == [["0.00", "100"], ["0.70", "30"], ["0.82", "18"], ["0.825", "17"]]
    filtering = ["filter-captions", "--captions", tmp_path / "scores.parquet"]
    for threshold, n in shown:
        rule = f"rules=[{{rule: r, column: score, op: '>=', value: {threshold}}}]"
        kept = captionlake(*filtering, "--output", tmp_path / "kept", "--set", rule)
        assert kept.summary["counts"]["kept"] == int(n)
