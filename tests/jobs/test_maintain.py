"""maintain: what it compacts, what it removes, what stays readable, and what runs again."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta

RETENTION = "delta.deletedFileRetentionDuration"
NO_WAIT = f"'{RETENTION}' = 'interval 0 seconds'"


def data_files(table: Path) -> set[str]:
    return {file.name for file in table.glob("*.parquet")}


def write(spark: SparkSession, table: Path, n: int, files: int = 4) -> None:
    rows = spark.range(n).selectExpr("cast(id as string) uid", "concat('a cat ', id) caption")
    writer = rows.repartition(files).write.format("delta").mode("overwrite")
    writer.option(RETENTION, "interval 0 seconds").save(str(table))


@pytest.mark.slow
def test_files_are_compacted_and_old_ones_removed(captionlake, spark, tmp_path: Path) -> None:
    table = tmp_path / "t"
    write(spark, table, 10)
    write(spark, table, 20)
    command = ("maintain", "--tables", table, "--retention-hours", 0)
    before = data_files(table)
    dry = captionlake(*command, "--dry-run")
    assert re.search(r"/t: 4 files, .* would become about 1; would remove 4$", dry.answer, re.M)
    assert "1 tables; 4 files would be removed; nothing was changed" in dry.answer
    assert data_files(table) == before
    done = captionlake(*command)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"/t: 4 files, .* -> 1 files, .*; removed 8", done.answer)
    assert len(data_files(table)) == 1
    assert read_delta(spark, table).count() == 20
    again = captionlake(*command)
    assert re.search(r"/t: 1 files, [^>]*; removed 0$", again.answer, re.M)


def test_with_the_usual_retention_nothing_new_is_removed(captionlake, spark, tmp_path) -> None:
    write(spark, tmp_path / "t", 10)
    write(spark, tmp_path / "t", 20)
    done = captionlake("maintain", "--tables", tmp_path / "t", "--no-optimize")
    assert re.search(r"/t: 4 files, [^>]*; removed 0$", done.answer, re.M)
    assert len(data_files(tmp_path / "t")) == 8


def test_less_than_delta_allows_is_one_line(captionlake, spark, tmp_path) -> None:
    write(spark, tmp_path / "t", 10)
    spark.sql(f"ALTER TABLE delta.`{tmp_path}/t` UNSET TBLPROPERTIES ('{RETENTION}')")
    done = captionlake("maintain", "--tables", tmp_path / "t", "--retention-hours", 1)
    assert done.exit_code != 0
    assert "--retention-hours" in done.error


def test_an_address_without_a_table_is_told(captionlake, tmp_path: Path) -> None:
    assert "there is no Delta table" in captionlake("maintain", "--tables", tmp_path / "no").error
    assert "there is no table of runs" in captionlake("maintain", tmp_path).error
    assert "run, tables, or both" in captionlake("maintain").error


@pytest.fixture
def balanced(captionlake, spark: SparkSession, tmp_path: Path) -> Path:
    """A workspace whose captions were matched twice, and balanced only the first time."""
    (tmp_path / "bank.txt").write_text("cat\ndog\n")
    out = tmp_path / "out"
    for n in (40, 7):
        captions = [f"a cat {k}" for k in range(n)]
        pq.write_table(pa.table({"caption": captions}), tmp_path / "in.parquet")
        steps = [
            ("ingest-captions", "--input", tmp_path / "in.parquet", "--output", out / "captions"),
            (
                *(
                    "match-concepts",
                    "--captions",
                    out / "captions",
                    "--bank",
                    tmp_path / "bank.txt",
                ),
                *("--output", out / "matches", "--entry-counts", out / "entry_counts"),
            ),
            (
                *("balance-captions", "--captions", out / "captions", "--matches", out / "matches"),
                *("--entry-counts", out / "entry_counts", "--t", 10, "--output", out / "kept"),
            ),
        ]
        for step in steps[: 3 if n == 40 else 2]:
            outcome = captionlake(*step)
            assert outcome.exit_code == 0, outcome.stderr
    for table in ("captions", "matches", "entry_counts", "kept", "runs"):
        spark.sql(f"ALTER TABLE delta.`{out / table}` SET TBLPROPERTIES ({NO_WAIT})")
    return out


@pytest.mark.slow
def test_what_the_newest_runs_have_read_stays_readable(
    captionlake, spark: SparkSession, balanced: Path
) -> None:
    explain = ("explain", "--caption", "a cat 8", "--run", balanced)
    before = captionlake(*explain).answer
    assert "40" in before  # its count of the first matches, which the balancing has read
    done = captionlake("maintain", balanced, "--retention-hours", 0)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"/matches: .*; kept from version 0 on, which a run needs", done.answer)
    assert captionlake(*explain).answer == before
    step = ("ingest-captions", "--input", balanced.parent / "in.parquet", "--output")
    assert captionlake(*step, balanced / "captions").summary["status"] == "up_to_date"
    # Once balanced anew, nothing goes back to the first matches.
    captionlake(
        *("balance-captions", "--captions", balanced / "captions", "--t", 10),
        *("--matches", balanced / "matches", "--entry-counts", balanced / "entry_counts"),
        *("--output", balanced / "kept"),
    )
    done = captionlake("maintain", balanced, "--retention-hours", 0)
    assert not re.search(r"/matches: .*kept from", done.answer)
    assert len(data_files(balanced / "matches")) == 1
