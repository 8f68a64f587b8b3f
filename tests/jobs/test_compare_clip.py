"""compare-clip: its steps; and compare-evaluations on the tables of two subsets."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_jobs.core import schemas
from spark_jobs.core.errors import CurationError, InputDataError, SettingsError
from spark_jobs.core.settings import load_settings
from spark_jobs.jobs import compare_clip, compare_evaluations
from spark_jobs.jobs.compare_clip import CompareClip
from spark_jobs.running.launch import execute
from tests.delta_tables import read_delta


def evaluation(spark: SparkSession, folder: Path, values: dict[str, float]) -> str:
    rows = [("m", "w", "zero_shot", part, "top1", value, 10) for part, value in values.items()]
    rows.append(("m", "w", "frequency", "all", "spearman", None, 2))
    spark.createDataFrame(rows, schemas.EVALUATIONS).write.format("delta").save(str(folder))
    return str(folder)


def test_subsets_are_compared_seed_by_seed(spark: SparkSession, tmp_path: Path) -> None:
    tables = {
        "raw@0": evaluation(spark, tmp_path / "a", {"all": 0.5, "tail": 0.1}),
        "raw@1": evaluation(spark, tmp_path / "b", {"all": 0.6, "tail": 0.3}),
        "t20@0": evaluation(spark, tmp_path / "c", {"all": 0.4, "tail": 0.4}),
        "t20@1": evaluation(spark, tmp_path / "d", {"all": 0.6, "tail": 0.4}),
    }
    measures = [("captions", name, None, None, n, None, None, 1) for name, n in
                (("raw", 9.0), ("t20", 4.0), ("other", 1.0))]  # fmt: skip
    spark.createDataFrame(measures, schemas.MEASURES).write.format("delta").save(
        str(tmp_path / "measures")
    )
    settings = compare_evaluations.CompareEvaluations(
        evaluations=tables, measures=str(tmp_path / "measures"), output=str(tmp_path / "compared")
    )
    summary = execute(compare_evaluations.JOB, settings, say=print)
    assert summary.counts == {"models": 4, "subsets": 2, "measures": 6}
    rows = read_delta(spark, tmp_path / "compared").collect()
    by_name = {(row["subset"], row["set"], row["measure"]): row for row in rows}
    assert by_name["raw", "all", "captions"]["mean"] == 9
    tail = by_name["t20", "tail", "top1"]
    assert [tail["models"], tail["mean"]] == [2, pytest.approx(0.4)]
    assert tail["difference"] == pytest.approx(0.2)
    assert tail["difference_low"] == pytest.approx(0.2 - 12.7062 * 0.1, abs=1e-4)
    assert by_name["raw", "tail", "top1"]["difference"] is None
    (line,) = [
        text
        for text in compare_evaluations.closing_lines(spark, settings, {})
        if text.startswith("  tail top1, t20")
    ]
    assert line == "  tail top1, t20: 40.0 %, +20.0 (-107.1 to +147.1 in 95 %)"


def test_a_table_of_two_models_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    table = evaluation(spark, tmp_path / "a", {"all": 0.5})
    read_delta(spark, table).write.format("delta").mode("append").save(table)
    settings = compare_evaluations.CompareEvaluations(
        evaluations={"raw@0": table}, output=str(tmp_path / "compared")
    )
    with pytest.raises(InputDataError, match="holds several models, expected one a table"):
        execute(compare_evaluations.JOB, settings, say=print)


def test_names_without_a_seed_are_refused() -> None:
    with pytest.raises(ValueError, match="'raw', expected a subset and a seed, as raw@0"):
        compare_evaluations.CompareEvaluations(evaluations={"raw": "/a"}, output="/b")


def settings_of(folder: Path, **further: object) -> CompareClip:
    values = {
        "subsets": {"raw": f"{folder}/pictures", "few": f"{folder}/few"},
        "images": f"{folder}/pictures",
        "test_images": f"{folder}/few",
        "class_column": "shape",
        "samples_seen": 8,
        "checkpoints": 1,
        "output": f"{folder}/out",
    }
    texts = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in (values | further).items()
    }
    return load_settings(CompareClip, "compare-clip", None, [], texts)


def test_each_subset_has_a_model_a_seed() -> None:
    settings = settings_of(Path("/x"), seeds=2, seed=5)
    steps = [*compare_clip.planned_steps(settings)]
    trained = [step for step in steps if step.job.name == "train-clip"]
    assert [(step.name, step.settings.seed) for step in trained] == [  # type: ignore[attr-defined]
        *(("raw@5", 5), ("few@5", 5), ("raw@6", 6), ("few@6", 6)),
    ]
    compared = [step.settings for step in steps if step.job.name == "compare-evaluations"]
    assert [*compared[0].evaluations] == ["raw@5", "raw@6", "few@5", "few@6"]  # type: ignore[attr-defined]
    evaluated = [s.settings.output for s in steps if s.job.name == "evaluate-clip"]  # type: ignore[attr-defined]
    assert sorted(compared[0].evaluations.values()) == sorted(evaluated)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["a/b", "", "t=20", "../x", ".a"])
def test_names_that_are_no_files_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="expected a name of letters, digits, - and _"):
        settings_of(Path("/x"), subsets={name: "/x/pictures"})


@pytest.mark.parametrize(
    ("further", "fault"),
    [
        ({"test_images": "/none"}, "/none"),
        ({"class_column": "shapes"}, "has no column 'shapes'"),
        ({"class_names": "NAMES"}, "line 1: expected a class, a tab and its name"),
        (
            {"frequency_count": "n", "frequencies": "PICTURES", "frequency_class": "shape"},
            "has no column 'n' of counts",
        ),
    ],
)
def test_what_is_evaluated_with_is_looked_at_before_the_first_training(
    spark: SparkSession, tmp_path: Path, further: dict[str, str], fault: str
) -> None:
    pictures = [("u", b"x", "disc"), ("v", b"y", "star")]
    table = spark.createDataFrame(pictures, "uid string, image binary, shape string")
    table.coalesce(1).write.format("delta").save(str(tmp_path / "few"))
    (tmp_path / "names.txt").write_text("disc disc\n")
    paths = {"NAMES": str(tmp_path / "names.txt"), "PICTURES": str(tmp_path / "few")}
    settings = settings_of(tmp_path, **{k: paths.get(v, v) for k, v in further.items()})
    with pytest.raises(CurationError, match=fault):
        next(compare_clip.steps(spark, settings))


def test_model_and_options_are_looked_at_before_spark_starts() -> None:
    with pytest.raises(InputDataError, match="ViT-B-33"):
        settings_of(Path("/x"), model="ViT-B-33").look_ahead()
