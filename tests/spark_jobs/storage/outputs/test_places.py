"""An output that is an input by another name is refused before anything is written."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.errors import SettingsError
from spark_jobs.jobs.dedup_captions import DedupCaptions
from spark_jobs.storage.outputs.places import refuse_overlapping_outputs


def refused(spark: SparkSession, captions: str, output: str) -> str:
    settings = DedupCaptions.model_validate({"captions": captions, "output": output})
    with pytest.raises(SettingsError) as raised:
        refuse_overlapping_outputs(spark, "dedup-captions", settings)
    return str(raised.value)


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> Path:
    spark.range(1).write.format("delta").save(str(tmp_path / "table"))
    (tmp_path / "link").symlink_to(tmp_path / "table")
    return tmp_path / "table"


@pytest.mark.parametrize("prefix", ["", "parquet:"])
@pytest.mark.parametrize("output", ["table", "link", "file:table", "other/../table", "table/"])
def test_the_same_place_by_any_path(
    spark: SparkSession, table: Path, output: str, prefix: str
) -> None:
    scheme, _, name = output.rpartition(":")
    path = f"{scheme}{':' if scheme else ''}{table.parent}/{name}"
    assert f"are both {table}" in refused(spark, f"{prefix}{table}", f"{prefix}{path}")
    assert f"are both {table}" in refused(spark, f"{prefix}{path}", f"{prefix}{table}")


def test_names_of_the_catalog(spark: SparkSession, tmp_path: Path) -> None:
    spark.sql(f"CREATE SCHEMA places LOCATION '{tmp_path / 'places'}'")
    spark.range(1).write.format("delta").saveAsTable("places.one")
    for output in ("PLACES.ONE", "spark_catalog.places.one", str(tmp_path / "places" / "one")):
        assert "are both" in refused(spark, "places.one", output)
    spark.sql("DROP SCHEMA places CASCADE")


def test_files_inside_a_parquet_output_and_outputs_inside_delta(
    spark: SparkSession, table: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    for captions in (f"{folder}/*.parquet", f"parquet:{folder}/a.parquet"):
        assert "lies inside 'output'" in refused(spark, captions, f"parquet:{folder}")
    assert "lies inside the Delta table" in refused(spark, str(folder), f"{table}/below/it")
    settings = DedupCaptions.model_validate({"captions": str(table), "output": f"{table}2"})
    refuse_overlapping_outputs(spark, "dedup-captions", settings)


def test_outputs_inside_the_folder_of_an_input(spark: SparkSession, tmp_path: Path) -> None:
    """The first run would end well, and the second read what the first wrote."""
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    inside = f"'output' = {tmp_path}/in/out lies inside 'captions', {tmp_path}/in"
    for output in (f"{tmp_path}/in/out", f"{tmp_path}/link/out", f"parquet:{tmp_path}/in/out"):
        assert inside in refused(spark, f"{tmp_path}/in", output)
    beside = {"captions": str(tmp_path / "in"), "output": str(tmp_path / "in2/out")}
    refuse_overlapping_outputs(spark, "dedup-captions", DedupCaptions.model_validate(beside))
