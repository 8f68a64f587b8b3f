"""Faults of Spark in one line: each names the file or table, the value, and what to do."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from py4j.protocol import Py4JNetworkError
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import CurationError, InputDataError
from spark_jobs.storage.faults.causes import Cause, path_in_message
from spark_jobs.storage.faults.constraints import CHECK, NOT_NULL
from spark_jobs.storage.faults.spark import (
    SPARK_FAULTS,
    classify,
    is_out_of_memory,
    to_curation_error,
)
from spark_jobs.storage.faults.workers import worker_fault
from spark_jobs.storage.history import read_commits
from udfs.task_errors import TaskInputError

NOISE = ["An error occurred while calling", "Please see the stack trace", "Traceback", "Py4J", "\n"]


def line_of(do: Callable[[], Any]) -> str:
    """The one line of the fault that an action ends with."""
    with pytest.raises((*SPARK_FAULTS, CurationError)) as fault:
        do()
    error = fault.value
    line = str(error if isinstance(error, CurationError) else to_curation_error(error))
    assert [noise for noise in NOISE if noise in line] == []
    return line


def read(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> Path:
    """A Delta table of one file, without the checksums beside it that only local disks have."""
    rows = spark.range(2_000).selectExpr("md5(string(id)) AS uid", "'a cat' AS caption")
    rows.coalesce(1).write.format("delta").save(str(tmp_path / "table"))
    for checksum in (tmp_path / "table").rglob(".*.crc"):
        checksum.unlink()
    return tmp_path / "table"


def data_file(table: Path) -> Path:
    (file,) = table.glob("*.parquet")
    return file


def delta(spark: SparkSession, table: Path) -> DataFrame:
    return spark.read.format("delta").load(str(table))


def test_files_that_cannot_be_read(spark: SparkSession, table: Path) -> None:
    file, rows = data_file(table), delta(spark, table)
    sound = file.read_bytes()
    file.write_bytes(sound[: len(sound) // 2])
    line = line_of(lambda: read(rows))
    assert line.startswith(f"{file}: cannot be read (")
    assert line.endswith("it is corrupt or not of its format; restore it from a copy, or run "
                         "again what wrote it")  # fmt: skip
    flipped = bytearray(sound)
    flipped[len(sound) // 3] ^= 1
    file.write_bytes(bytes(flipped))
    assert line_of(lambda: read(rows)).startswith(f"{file}: cannot be read (")
    file.unlink()
    assert line_of(lambda: read(rows)).startswith(f"{file}: went away")


def test_a_file_with_a_column_of_another_type(spark: SparkSession, tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": ["a"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"uid": [1]}), tmp_path / "b.parquet")
    frame = spark.read.schema("uid string").parquet(str(tmp_path))
    line = line_of(lambda: read(frame))
    assert line.startswith(f"{tmp_path}/b.parquet: column 'uid' is INT64, but string in other")
    assert "write them with one type" in line


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("00000000000000000000.json", "", "a Delta log is damaged"),
        ("00000000000000000002.json", "{}", "a Delta log is damaged ([DELTA_VERSIONS_NOT_CONTIG"),
    ],
)
def test_a_damaged_log(
    spark: SparkSession, table: Path, name: str, content: str, expected: str
) -> None:
    (table / "_delta_log" / name).write_text(content)
    line = line_of(lambda: read(delta(spark, table)))
    assert line.startswith(expected)
    assert "remove the table and run again what wrote it" in line


def test_a_log_that_cannot_be_read_names_its_table(spark: SparkSession, table: Path) -> None:
    (table / "_delta_log" / "00000000000000000002.json").write_text("{}")
    line = line_of(lambda: read_commits(spark, parse_address(str(table))))
    assert line.startswith(f"table {table}: a Delta log is damaged")


def test_outputs_that_cannot_be_made(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file/out", Path("/proc/out")):
        writer = spark.range(1).write.format("delta")
        line = line_of(lambda place=place, writer=writer: writer.save(str(place)))
        assert line.startswith(f"{place}: cannot be written (")
        assert "give an --output in a folder that you may write to" in line


def test_stores_without_jars(spark: SparkSession) -> None:
    s3a = line_of(lambda: spark.read.parquet("s3a://bucket/x"))
    assert s3a.startswith("s3a://...: Spark has no file system for such addresses; add org")
    assert "hadoop:hadoop-aws:3.3.4 to spark.jars.packages" in s3a or "hadoop-aws:3.4.1 to" in s3a
    s3 = line_of(lambda: spark.read.parquet("s3://bucket/x"))
    assert "(write s3a:// for s3://)" in s3


def test_what_is_not_there(spark: SparkSession, tmp_path: Path) -> None:
    path = line_of(lambda: spark.read.parquet(str(tmp_path / "none")))
    assert path == f"{tmp_path}/none: does not exist"
    column = line_of(lambda: spark.range(1).select("idd"))
    assert "[UNRESOLVED_COLUMN.WITH_SUGGESTION]" in column
    assert "`idd` cannot be resolved. Did you mean one of the following? [`id`]" in column
    table = line_of(lambda: spark.table("nowhere.captions"))
    assert "`nowhere`.`captions` cannot be found" in table
    writer = spark.range(1).write.format("delta")
    schema = line_of(lambda: writer.saveAsTable("nowhere.captions"))
    assert schema.startswith("the catalog has no schema nowhere; CREATE SCHEMA nowhere first")


Batches = Iterator[pa.RecordBatch]


def killed(batches: Batches) -> Batches:
    os.kill(os.getpid(), signal.SIGKILL)
    yield from batches


def no_memory(batches: Batches) -> Batches:
    np.ones(10**14)
    yield from batches


def no_module(batches: Batches) -> Batches:
    import a_module_that_is_not_there  # noqa: F401

    yield from batches


def full_disk(batches: Batches) -> Batches:
    raise OSError(28, "No space left on device", "/mnt/vectors.npy")
    yield from batches


def no_right(batches: Batches) -> Batches:
    raise PermissionError(13, "Permission denied", "/mnt/vectors.npy")
    yield from batches


def wrong_input(batches: Batches) -> Batches:
    raise TaskInputError("v.npy: holds int64 of shape (3,), expected floats (n, dimension)")
    yield from batches


def behind_another(batches: Batches) -> Batches:
    try:
        raise KeyError("x")
    except KeyError as fault:
        raise ValueError("row 7: no label\nsecond: line") from fault
    yield from batches


@pytest.mark.parametrize(
    ("work", "expected", "remedy"),
    [
        (killed, "a Python worker of Spark died, four times in a row", "executor.memoryOverhead"),
        (no_memory, "ran out of memory (_ArrayMemoryError: Unable to", "executor.memoryOverhead"),
        (no_module, "No module named 'a_module_that_is_not_there'", "install it on every executor"),
        (full_disk, "no space left on the disk of /mnt/vectors.npy", "free some"),
        (no_right, "Permission denied: '/mnt/vectors.npy'", ""),
        (wrong_input, "v.npy: holds int64 of shape (3,), expected floats (n, dimension)", ""),
        (behind_another, "a Python worker failed: ValueError: row 7: no label", ""),
    ],
)
def test_workers(spark: SparkSession, work: Any, expected: str, remedy: str) -> None:
    line = line_of(lambda: read(spark.range(1).coalesce(1).mapInArrow(work, "id long")))
    assert expected in line
    assert remedy in line


def test_values_under_ansi_mode_are_named(spark: SparkSession) -> None:
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", "true")
    try:
        text = line_of(lambda: read(spark.sql("SELECT int(concat('a', id)) FROM range(1)")))
        zero = line_of(lambda: read(spark.sql("SELECT 1 / id FROM range(1)")))
    finally:
        spark.conf.set("spark.sql.ansi.enabled", before)
    assert text.startswith("[CAST_INVALID_INPUT] The value 'a0' of the type \"STRING\"")
    assert zero.startswith("[DIVIDE_BY_ZERO]")


WRITING = Cause("SparkException", "", "TASK_WRITE_FAILED", {"path": "file:/mnt/out"})
FULL = "No space left on device"


@pytest.mark.parametrize(
    ("causes", "expected"),
    [
        # As Spark 3.5 and Delta 3.3 raise them; those behind last.
        (
            [WRITING, Cause("FSError", f"java.io.IOException: {FULL}"), Cause("IOException", FULL)],
            "no space left on the disk of /mnt/out; free some",
        ),
        ([WRITING, Cause("IOException", FULL)], "the disk of /mnt/out or of spark.local.dir ("),
        ([Cause("IOException", FULL)], "the disk of spark.local.dir ("),
        (
            [WRITING, Cause("AccessDeniedException", "/mnt/out/part-0")],
            "/mnt/out/part-0: no permission to read or write it",
        ),
        (
            [Cause("FileNotFoundException", "/mnt/a.parquet (Permission denied)")],
            "/mnt/a.parquet: no permission to read or write it",
        ),
        (
            [Cause("AccessControlException", "Permission denied: user=me, path=\"/data/x\":root")],
            "/data/x: no permission",
        ),
        (
            [Cause("ConcurrentAppendException", "Files were added", "DELTA_CONCURRENT_APPEND")],
            "another run changed the output at the same time (ConcurrentAppendException)",
        ),
        ([Cause("OutOfMemoryError", "Java heap space")], "(OutOfMemoryError: Java heap space)"),
        (
            [Cause("X", "", "FAILED_READ_FILE.NO_HINT", {"path": "s3a://b/x.parquet"}),
             Cause("SocketTimeoutException", "Read timed out")],
            "s3a://b/x.parquet: cannot be read (SocketTimeoutException: Read timed out): run again",
        ),
        (
            [Cause("X", "", "FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH",
                   {"path": "/b.parquet", "column": "[uid]", "expectedType": "string",
                    "actualType": "INT64"})],
            "/b.parquet: column 'uid' is INT64, but string",
        ),
        (
            [WRITING, Cause("X", "", CHECK, {"expression": "(n >= 0)", "values": " - n : -1"})],
            "output /mnt/out: a row with n : -1 breaks the constraint n >= 0",
        ),
        (  # a client of Spark Connect has the message alone
            [Cause("X", "[X] CHECK constraint c ((n >= 0) AND (m > 1)) violated by row with values:"
                   "\n - m : 1\n - n : -1", CHECK)],
            "a row with m : 1, n : -1 breaks the constraint (n >= 0) AND (m > 1)",
        ),
        (
            [Cause("X", "[X] NOT NULL constraint violated for column: s.a.\n", NOT_NULL)],
            "a row with s.a : null breaks the constraint s.a IS NOT NULL",
        ),
        ([Cause("X", "", "UNABLE_TO_INFER_SCHEMA", {"format": "Parquet"})], "no parquet file"),
    ],
)  # fmt: skip
def test_faults_that_a_test_cannot_bring_about(causes: list[Cause], expected: str) -> None:
    assert expected in str(classify(causes))


def test_java_that_ended_or_never_began(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = str(to_curation_error(Py4JNetworkError("Answer from Java side is empty")))
    assert "Java process ended" in ended
    assert "SPARK_DRIVER_MEMORY=8g" in ended
    assert is_out_of_memory(Py4JNetworkError("Answer from Java side is empty"))
    assert not is_out_of_memory(PySparkRuntimeError(None, "JAVA_GATEWAY_EXITED", {}))
    monkeypatch.setenv("SPARK_DRIVER_MEMORY", "900g")
    gateway = PySparkRuntimeError(None, "JAVA_GATEWAY_EXITED", {})
    line = str(to_curation_error(gateway))
    assert line.startswith("Spark's Java did not start (SPARK_DRIVER_MEMORY=900g): expected Java")


def test_traces_of_workers() -> None:
    frames = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    f()\n    ^^^\n'
    assert str(worker_fault(f"{frames}pkg.mod.SomeError: a: b\n\n\tat org.apache\n")) == (
        "a Python worker failed: SomeError: a: b"
    )
    assert isinstance(worker_fault(f"{frames}udfs.models.spec.ModelError: m\n"), InputDataError)
    assert worker_fault("no trace at all") is None
    assert path_in_message("file:///a/b.parquet.") == "/a/b.parquet"
