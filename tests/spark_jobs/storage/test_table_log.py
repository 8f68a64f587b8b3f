"""Delta's logs, read without Spark or by it, say what Delta says, or are left to Delta."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.addresses import Address, parse_address
from spark_jobs.storage import history, small_tables, spark_log
from spark_jobs.storage.local_log import local_log, read_checked
from spark_jobs.storage.spark_log import log_by_spark
from spark_jobs.storage.table_log import AskDeltaError


def address_of(path: Path) -> Address:
    return parse_address(str(path))


def same_as_delta(spark: SparkSession, path: Path, limit: int = 20) -> None:
    """Commits, columns and rows, each beside Spark's own answer."""
    commits = history._commits_by_spark(spark, address_of(path), limit)
    schema = history._schema_by_spark(spark, address_of(path))
    files = spark.read.format("delta").load(str(path)).inputFiles()
    for log in (local_log(address_of(path)), log_by_spark(spark, address_of(path))):
        assert log is not None
        assert [history._commit(*commit) for commit in log.last_commits(limit)] == commits
        assert log.schema() == schema
        names = {Path(file.path).name: file.size for file in log.data_files()}
        assert names == {Path(file).name: (path / Path(file).name).stat().st_size for file in files}
    frame = spark.read.format("delta").load(str(path))
    needed = frame.schema
    rows = small_tables._rows_on_this_disk(str(path), needed, {})
    of_spark = [row.asDict() for row in frame.collect()]
    assert sorted(map(repr, map(in_utc, rows))) == sorted(map(repr, map(in_utc, of_spark)))


def in_utc(row: dict) -> dict:
    """The row with times as seconds since 1970: Spark's are in the local time zone."""
    return {k: v.timestamp() if hasattr(v, "timestamp") else v for k, v in row.items()}


def rows(spark: SparkSession, n: int, start: int = 0) -> DataFrame:
    ids = spark.range(start, start + n, numPartitions=2)
    time = F.timestamp_micros(F.col("id") * 1_234_567_891_234)
    return ids.select(F.col("id").cast("string").alias("uid"), time.alias("time"), "id")


def test_a_table_through_its_life(spark: SparkSession, tmp_path: Path) -> None:
    path, draw = tmp_path / "t", random.Random(3)
    writes: list[Callable[[], object]] = [
        lambda: save(rows(spark, 3, draw.randint(0, 99)), "append"),
        lambda: save(rows(spark, 5), "overwrite"),
        lambda: save(rows(spark, 0), "append"),
        lambda: spark.sql(f"DELETE FROM delta.`{path}` WHERE uid = '2'"),
        lambda: spark.sql(f"UPDATE delta.`{path}` SET uid = 'x' WHERE id = 3"),
        lambda: spark.sql(f"OPTIMIZE delta.`{path}`"),
        lambda: spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('a' = 'b')"),
        lambda: spark.sql(f"RESTORE TABLE delta.`{path}` TO VERSION AS OF 0"),
    ]

    def save(frame: DataFrame, mode: str) -> None:
        writer = frame.write.format("delta").mode(mode).option("userMetadata", '{"run_id": "r"}')
        writer.save(str(path))

    save(rows(spark, 4), "overwrite")
    spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('delta.checkpointInterval' = '4')")
    draw.shuffle(writes)
    for write in writes:
        write()
    same_as_delta(spark, path)
    same_as_delta(spark, path, limit=3)
    merged = rows(spark, 2).withColumn("more", F.lit(1)).write.format("delta").mode("append")
    merged.option("mergeSchema", True).save(str(path))
    same_as_delta(spark, path)


def test_where_there_is_no_table(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a cat\n")
    (tmp_path / "begun" / "_delta_log").mkdir(parents=True)
    for name in ("absent", "a.txt", ".", "begun"):
        address = address_of(tmp_path / name)
        assert local_log(address) is None
        assert history._commits_by_spark(spark, address, 20) == []
        assert history._schema_by_spark(spark, address) is None


@pytest.fixture(scope="module")
def table(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("local_log") / "t"
    for start in range(3):
        rows(spark, 2, start).write.format("delta").mode("append").save(str(path))
    return path


def copied(table: Path, tmp_path: Path) -> tuple[Path, Path]:
    shutil.copytree(table, tmp_path / "t")
    return tmp_path / "t", tmp_path / "t" / "_delta_log"


def left_to_delta(read: Callable[[], object]) -> bool:
    try:
        read()
    except AskDeltaError:
        return True
    return False


def test_a_flipped_bit_in_any_byte_is_left_to_delta(table: Path, tmp_path: Path) -> None:
    path, log = copied(table, tmp_path)
    commit = log / f"{1:020}.json"
    content = commit.read_bytes()
    for position in range(0, len(content), 97):
        changed = bytearray(content)
        changed[position] ^= 4
        commit.write_bytes(bytes(changed))
        assert left_to_delta(lambda: local_log(address_of(path)).last_commits(20))
    commit.write_bytes(content)
    assert len(local_log(address_of(path)).last_commits(20)) == 3
    data = path.glob("*.parquet")
    file = next(iter(data))
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(AskDeltaError):
        read_checked(str(file))


def test_what_is_unusual_is_left_to_delta(table: Path, tmp_path: Path) -> None:
    path, log = copied(table, tmp_path)
    first, second = log / f"{0:020}.json", log / f"{1:020}.json"

    def last_commits() -> object:
        return local_log(address_of(path)).last_commits(20)

    assert not left_to_delta(last_commits)
    (log / "_commits").mkdir(exist_ok=True)  # Delta 3 makes it, Delta 4 where it needs it
    (log / "_commits" / "1.json").touch()
    assert left_to_delta(last_commits)
    (log / "_commits" / "1.json").unlink()
    (log / f"{9:020}.checkpoint.parquet").touch()
    assert left_to_delta(last_commits)
    (log / f"{9:020}.checkpoint.parquet").unlink()
    second.rename(log / "away")
    assert left_to_delta(last_commits)
    (log / "away").rename(second)
    inner = path / "inner"
    inner.mkdir()
    assert left_to_delta(lambda: local_log(address_of(inner)))
    assert left_to_delta(lambda: local_log(address_of(Path(f"{path}@v1"))))
    assert left_to_delta(lambda: local_log(parse_address("s3://bucket/t")))
    assert left_to_delta(lambda: local_log(parse_address("lake.t")))
    os.remove(first)
    (log / f".{first.name}.crc").unlink()
    assert not left_to_delta(last_commits)
    assert left_to_delta(lambda: local_log(address_of(path)).data_files())
    assert left_to_delta(lambda: local_log(address_of(path)).schema())


def test_readers_of_a_later_version_and_deletion_vectors(table: Path, tmp_path: Path) -> None:
    for change in (
        lambda text: text.replace('"minReaderVersion":1', '"minReaderVersion":3'),
        lambda text: text.replace('"dataChange":true', '"deletionVector":{"a":1}', 1),
        lambda text: text.replace('"path":"part', '"path":"a%20part', 1),
    ):
        folder = tmp_path / str(random.random())
        path, log = copied(table, folder)
        commit = log / f"{0:020}.json"
        changed = change(commit.read_text())
        assert changed != commit.read_text()
        commit.write_text(changed)
        (log / f".{commit.name}.crc").unlink()
        assert left_to_delta(lambda path=path: local_log(address_of(path)).data_files())


def test_what_is_unusual_on_a_server_is_left_to_delta(
    spark: SparkSession, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, log = copied(table, tmp_path / "a b%20c")
    first, second = log / f"{0:020}.json", log / f"{1:020}.json"

    def is_left(address: str = str(path)) -> bool:
        return left_to_delta(lambda: log_by_spark(spark, parse_address(address)))

    assert not is_left()
    assert not is_left(f"file:{table}")
    for address in (f"{path}@v1", f"{path}*", f"{path}/absent", "s3://bucket/t", "lake.t"):
        assert is_left(address), address
    with monkeypatch.context() as patched:
        patched.setattr(spark_log, "_MOST_BYTES", first.stat().st_size - 1)
        assert is_left()
    content = second.read_bytes()
    second.write_bytes(content.replace(b"WRITE", b"WROTE"))  # its checksum stays
    assert is_left()
    for checksum in log.glob(".*.crc"):
        checksum.unlink()
    assert not is_left()
    second.unlink()
    assert is_left()
    for version in range(1, 99):
        (log / f"{version:020}.json").write_bytes(content)
    assert not is_left()
    (log / f"{99:020}.json").write_bytes(content)
    assert is_left()  # there may be more
    (log / f"{99:020}.json").unlink()
    protocol = b'{"protocol":{"minReaderVersion":3,"writerFeatures":["%s"]}}\n'
    (log / f"{98:020}.json").write_bytes(protocol % b"appendOnly" + content)
    assert not is_left()
    (log / f"{98:020}.json").write_bytes(protocol % b"coordinatedCommits-preview" + content)
    assert is_left()


def test_a_table_made_again_is_read_again(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "t"
    for text in ("one", "two"):
        shutil.rmtree(path, ignore_errors=True)
        writer = (
            rows(spark, 1).write.format("delta").option("userMetadata", json.dumps({"w": text}))
        )
        writer.save(str(path))
        ((_, _, info),) = local_log(address_of(path)).last_commits(20)
        assert json.loads(info["userMetadata"]) == {"w": text}


def test_rows_with_values(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    frame = rows(spark, 9)
    assert small_tables.rows_equal_to(spark, path, frame.schema, {}) is None
    frame.write.format("delta").save(path)
    for values in ({"uid": "3"}, {"uid": "3", "id": 4}, {"id": 4}):
        here = small_tables.rows_equal_to(spark, path, frame.schema, values)
        expected = [r.asDict() for r in frame.collect() if values.items() <= r.asDict().items()]
        assert [in_utc(row) for row in here] == [in_utc(row) for row in expected]
