"""A flipped bit in a table's data is the same rows or a failing read, never other rows."""

import random
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.storage.faults.spark import SPARK_FAULTS, to_curation_error
from spark_jobs.storage.session import VERIFY_PAGES

DIGEST = ["count(*)", "sum(cast(xxhash64(*) AS decimal(38, 0)))"]


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> Path:
    """4 files of texts, ids and lists, without the .crc beside them that only local disks have."""
    rows = spark.range(0, 20_000, 1, 4).selectExpr(
        *("md5(string(id)) AS uid", "concat('a photo of cat ', id * 7919) AS caption"),
        *("array(int(id % 7), int(id % 11)) AS entry_ids", "id / 3 AS score"),
    )
    rows.write.format("delta").save(str(tmp_path))
    for checksum in tmp_path.rglob(".*.crc"):
        checksum.unlink()
    return tmp_path


def flips(frame: DataFrame, files: list[Path], n: int) -> tuple[int, int, list[str]]:
    """Reads with one bit flipped: how many gave the same rows, how many failed, and the lines.

    The lines are those of reads that gave other rows, or failed without naming the file.
    """
    expected = frame.selectExpr(*DIGEST).first()
    drawn, same, failed, wrong = random.Random(11), 0, 0, []
    for _ in range(n):
        file = drawn.choice(files)
        sound = file.read_bytes()
        place, bit = drawn.randrange(len(sound)), drawn.randrange(8)
        damaged = bytearray(sound)
        damaged[place] ^= 1 << bit
        file.write_bytes(bytes(damaged))
        where = f"{file.name}, byte {place} of {len(sound)}, bit {bit}"
        try:
            if frame.selectExpr(*DIGEST).first() == expected:
                same += 1
            else:
                wrong.append(f"{where}: other rows")
        except SPARK_FAULTS as fault:
            failed += 1
            if file.name not in (line := str(to_curation_error(fault))):
                wrong.append(f"{where}: {line}")
        finally:
            file.write_bytes(sound)
    return same, failed, wrong


def test_every_session_verifies_pages(spark: SparkSession) -> None:
    assert spark.conf.get(VERIFY_PAGES) == "true"


@pytest.mark.parametrize("n", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_flipped_bits(spark: SparkSession, table: Path, n: int) -> None:
    frame = spark.read.format("delta").load(str(table))
    same, failed, wrong = flips(frame, sorted(table.glob("*.parquet")), n)
    assert wrong == []
    assert same + failed == n
    assert failed > n // 2  # what is no page is the smaller part of a file


def test_without_checksums_flips_go_unnoticed(spark: SparkSession, table: Path) -> None:
    """The test can fail: of these flips some change rows where no checksum is looked at."""
    spark.conf.set(VERIFY_PAGES, "false")
    try:
        frame = spark.read.format("delta").load(str(table))
        _, _, wrong = flips(frame, sorted(table.glob("*.parquet")), 10)
    finally:
        spark.conf.set(VERIFY_PAGES, "true")
    assert any(line.endswith("other rows") for line in wrong)
