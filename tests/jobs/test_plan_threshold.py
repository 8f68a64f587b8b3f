"""plan-threshold as a job: table, picture, and what it says of faulty input."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession


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
    rows = spark.read.format("delta").load(str(tmp_path / "plan")).orderBy("threshold").collect()
    told = [(r.threshold, r.rows, r.classes, r.class_similarity) for r in rows]
    assert [row[:3] for row in told] == [(0.4, 3, 2), (0.7, 2, 1), (0.95, 0, 0)]
    assert [row[3] and round(row[3], 4) for row in told] == [0.6625, 0.825, None]
    assert "<svg" in (tmp_path / "plan.svg").read_text()
    assert "0.70              2" in outcome.stderr
    outcome = captionlake(*command, "--column", "scor")
    assert outcome.exit_code == 3
    assert "has no column 'scor', did you mean 'score'?" in outcome.error
