"""SentEval's folder as its own script leaves it, with tasks that have nothing to do with pairs."""

import shutil
from pathlib import Path

from pyspark.sql import SparkSession

from spark_jobs.formats.scored_pairs import read_pair_sets


def test_other_tasks_are_not_opened(spark: SparkSession, cases: Path, tmp_path: Path) -> None:
    shutil.copytree(cases / "simcse_eval/input_SentEval", tmp_path / "SentEval")
    expected = read_pair_sets(spark, str(tmp_path / "SentEval"))
    [sts] = [path for path in (tmp_path / "SentEval").rglob("STS") if path.is_dir()]
    for name in ("COCO/train.pkl", "MR/rt-polarity.pos"):
        (sts.parent / name).parent.mkdir()
        (sts.parent / name).write_bytes(b"\x80\x05\xff caf\xe9")
    assert read_pair_sets(spark, str(tmp_path / "SentEval")) == expected
    assert len(expected) > 5
