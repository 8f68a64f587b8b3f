"""SentEval's folder as its own script leaves it, with tasks that have nothing to do with pairs."""

import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.scored_pairs import read_pair_sets


def test_other_tasks_are_not_opened(spark: SparkSession, cases: Path, tmp_path: Path) -> None:
    shutil.copytree(cases / "simcse_eval/input_SentEval", tmp_path / "SentEval")
    expected = read_pair_sets(spark, [str(tmp_path / "SentEval")])
    [sts] = [path for path in (tmp_path / "SentEval").rglob("STS") if path.is_dir()]
    for name in ("COCO/train.pkl", "MR/rt-polarity.pos"):
        (sts.parent / name).parent.mkdir()
        (sts.parent / name).write_bytes(b"\x80\x05\xff caf\xe9")
    assert read_pair_sets(spark, [str(tmp_path / "SentEval")]) == expected
    assert len(expected) > 5


def test_files_of_one_name_are_told_apart_by_their_folders(
    spark: SparkSession, tmp_path: Path
) -> None:
    for name in ("a/x/dev.tsv", "b/x/dev.tsv", "b/test.tsv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("0\ta\tb\n5\tc\td\n")
    sets = read_pair_sets(spark, [str(tmp_path / "a/x/dev.tsv"), str(tmp_path / "b")])
    assert [part.task for part in sets] == ["a/x/dev.tsv", "test.tsv", "b/x/dev.tsv"]
    with pytest.raises(InputDataError, match=r"/a/x/dev.tsv pairs is there twice"):
        read_pair_sets(spark, [str(tmp_path / "a/x/dev.tsv"), str(tmp_path / "a")])
