"""export-snapshot: the newest rows of a table in files of which the manifest says all."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from captionlake.training import ArrowBatches, Loader, open_snapshot

N = 250


@pytest.fixture(scope="module")
def pairs(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table that was written twice; 250 rows stand."""
    folder = tmp_path_factory.mktemp("snapshot") / "pairs"
    rows = [(f"{k:032x}", f"caption {k}\n猫", [k, k + 1], {"a": k}) for k in range(N + 50)]
    columns = "uid string, caption string, entry_ids array<int>, `of.a` map<string, int>"
    frame = spark.createDataFrame(rows, columns)
    for n in (N + 50, N):
        newest = frame.where(f"entry_ids[0] < {n}")
        newest.write.format("delta").mode("overwrite").save(str(folder))
    return folder


def test_the_newest_rows_in_row_groups_of_one_size(captionlake, pairs, tmp_path) -> None:
    command = ("export-snapshot", "--input", pairs, "--output", tmp_path / "snapshot")
    sizes = ("--row-group-rows", 20, "--rows-per-file", 150)
    outcome = captionlake(*command, *sizes)
    assert outcome.exit_code == 0, outcome.stderr
    snapshot = open_snapshot(str(tmp_path / "snapshot"), check="digests")
    files = snapshot.manifest.files
    assert outcome.summary["counts"] == {
        **{"rows_in": N, "rows": N, "files": len(files)},
        "row_groups": sum(len(file.row_groups) for file in files),
    }
    assert len(files) > 1
    assert {n for file in files for n in file.row_groups[:-1]} == {20}
    assert snapshot.version.startswith("delta:")
    assert snapshot.columns == ["uid", "caption", "entry_ids", "of.a"]
    rows = [row for batch in Loader(ArrowBatches(snapshot)) for row in batch.to_pylist()]
    assert sorted(row["uid"] for row in rows) == [f"{k:032x}" for k in range(N)]
    k = int(rows[7]["uid"], 16)
    assert rows[7]["caption"] == f"caption {k}\n猫"
    assert rows[7]["entry_ids"] == [k, k + 1]
    again = captionlake(*command, *sizes, "--force")
    assert again.exit_code == 0, again.stderr
    assert open_snapshot(str(tmp_path / "snapshot")).manifest == snapshot.manifest


def test_some_columns_and_no_rows(captionlake, spark, tmp_path) -> None:
    empty = spark.createDataFrame([], "uid string, caption string, n int")
    empty.write.format("delta").save(str(tmp_path / "empty"))
    output = tmp_path / "snapshot"
    outcome = captionlake(
        *("export-snapshot", "--input", tmp_path / "empty", "--output", output),
        *("--columns", "caption,uid"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    snapshot = open_snapshot(str(output))
    assert (snapshot.rows, snapshot.columns) == (0, ["caption", "uid"])
    assert [*Loader(ArrowBatches(snapshot))] == []


def test_bad_input(captionlake, pairs, tmp_path) -> None:
    command = ("export-snapshot", "--input", pairs, "--output", tmp_path / "out")
    assert "no column 'url'" in captionlake(*command, "--columns", "url").error
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("")
    assert "mine.txt" in captionlake(*command).error
