"""What travels to workers in a function, and what as files."""

import errno
import logging
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from pyspark.serializers import CloudPickleSerializer
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core import worker_files
from spark_jobs.core.errors import FileError
from spark_jobs.matching.match import match_concepts
from udfs.mapped_functions import File
from udfs.text.matchers import MetaclipMatcher
from udfs.text.token_trie import build_token_trie

MOST = 4_096


@pytest.fixture
def pickled_bytes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of all that Spark pickles, while functions of more than MOST bytes go as files."""
    sizes: list[int] = []
    dumps = CloudPickleSerializer.dumps

    def noted(self: CloudPickleSerializer, value: object) -> bytes:
        content = dumps(self, value)
        sizes.append(len(content))
        return bytes(content)

    monkeypatch.setattr(CloudPickleSerializer, "dumps", noted)
    monkeypatch.setattr(worker_files, "MOST_PICKLED_BYTES", MOST)
    return sizes


def captions(spark: SparkSession) -> DataFrame:
    words = "concat_ws(' ', 'a', concat('w', id), concat('w', id * 7 % 900), concat('v', id % 3))"
    return spark.range(0, 2_000, 1, 2).selectExpr(
        "format_string('%05d', id) uid", f"{words} caption"
    )


def matcher(n_entries: int) -> MetaclipMatcher:
    entries = [f"w{i} w{i * 7 % 900}" if i % 3 else f"w{i}" for i in range(n_entries)]
    return MetaclipMatcher(build_token_trie(pa.array(entries)))


def test_a_large_bank_matches_as_on_the_driver(
    spark: SparkSession, pickled_bytes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = captions(spark)
    banks = [matcher(1_000), matcher(1_500)]
    of_files = [match_concepts(rows, bank) for bank in banks]
    assert max(pickled_bytes) < 2 * MOST
    both = of_files[0].unionByName(of_files[1]).collect()  # two banks in one job
    texts = rows.toPandas()
    expected = [bank.match([pa.array(texts.caption)]).to_pylist() for bank in banks]
    found = [dict(map(tuple, half)) for half in (both[:2_000], both[2_000:])]
    assert found == [dict(zip(texts.uid, ids, strict=True)) for ids in expected]
    assert sum(map(len, found[0].values())) > 1_000
    monkeypatch.setattr(worker_files, "MOST_PICKLED_BYTES", 1 << 30)
    match_concepts(rows, banks[0])
    assert pickled_bytes[-1] > 20 * MOST


def test_equal_files_are_sent_once(
    spark: SparkSession, pickled_bytes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = File.write
    monkeypatch.setattr(File, "write", lambda f, p: (written.append(p.name), write(f, p)))
    for _ in range(2):
        match_concepts(captions(spark), matcher(1_001))
    assert len(written) == len({*written}) >= 2


def test_a_platform_that_takes_no_files_gets_the_arrays_in_the_function(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("no artifacts here")

    monkeypatch.setattr(worker_files, "is_remote", lambda _: True)
    monkeypatch.setattr(SparkSession, "session_id", "s", raising=False)
    monkeypatch.setattr(SparkSession, "addArtifacts", refuse, raising=False)
    array = np.arange(1 << 18)

    def function(_: object) -> object:
        return array

    with caplog.at_level(logging.WARNING):
        assert worker_files.small_function(spark, function) is function  # type: ignore[arg-type,comparison-overlap]
    assert "takes no files" in caplog.text


def test_a_full_disk_is_one_line(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.arange(1 << 18) + 1

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(File, "write", fails)
    with pytest.raises(FileError, match=r"\(No space left on device\); free some, or set spark"):
        worker_files.small_function(spark, lambda _: array)  # type: ignore[arg-type,return-value]
