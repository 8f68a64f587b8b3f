"""Vectors on the driver: all of them, as they are, and no more than it takes."""

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.errors import FileError, InputDataError
from spark_jobs.embedding import driver_vectors
from spark_jobs.embedding.driver_vectors import refuse_too_large_for_driver
from spark_jobs.formats.embeddings import Embeddings, collect_vectors, collect_vectors_on_disk
from spark_jobs.jobs.score_definitions import _refuse_too_large

N, DIMENSION = 300, 4
_draws = np.random.default_rng(0).normal(size=(N, DIMENSION)).astype(np.float32)
VECTORS = _draws / np.linalg.norm(_draws, axis=1, keepdims=True)


def rows_of(spark: SparkSession, vectors: np.ndarray) -> DataFrame:
    rows = [(f"q{k}", vector.tolist()) for k, vector in enumerate(vectors)]
    return spark.createDataFrame(rows, "query_id string, embedding array<float>").repartition(3)


def embeddings(rows: DataFrame, n_rows: int) -> Embeddings:
    return Embeddings("some/table", rows, ("m", "w"), DIMENSION, n_rows, 0)


@pytest.mark.parametrize("collect", [collect_vectors, collect_vectors_on_disk])
def test_each_key_with_its_vector(spark: SparkSession, collect) -> None:
    ids, vectors = collect(embeddings(rows_of(spark, VECTORS), N))
    assert sorted(ids.to_pylist()) == sorted(f"q{k}" for k in range(N))
    assert vectors.dtype == np.float32
    places = [int(key[1:]) for key in ids.to_pylist()]
    assert np.abs(vectors - VECTORS[places]).max() < 1e-6


@pytest.mark.parametrize("n_rows", [N - 1, N + 1])
def test_a_table_that_changed_meanwhile(spark: SparkSession, n_rows: int) -> None:
    with pytest.raises(InputDataError, match=rf"some/table: had {n_rows} vectors .* run again"):
        collect_vectors(embeddings(rows_of(spark, VECTORS), n_rows))


def test_a_full_disk_is_named(spark: SparkSession, monkeypatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(FileError, match=r"no room for 300 vectors of 4 numbers \(No space left"):
        collect_vectors_on_disk(embeddings(rows_of(spark, VECTORS), N))


def test_a_vector_that_is_not_unit(spark: SparkSession) -> None:
    longer = VECTORS.copy()
    longer[7] *= 3
    with pytest.raises(InputDataError, match="table some/table: the vector of 'q7' has length 3"):
        collect_vectors(embeddings(rows_of(spark, longer), N))


def test_more_than_the_driver_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert driver_vectors.MOST_DRIVER_BYTES == 2**31
    refuse_too_large_for_driver(1 << 20, 512, "t", "take fewer")
    with pytest.raises(InputDataError) as fault:
        refuse_too_large_for_driver((1 << 20) + 1, 512, "t", "take fewer")
    assert str(fault.value) == (
        "table t: 1,048,577 vectors of 512 numbers would be on the driver, which takes 1,048,576 "
        "at most (2,048 MiB); take fewer"
    )


def test_more_definitions_than_a_task_takes() -> None:
    _refuse_too_large(206_941, 384)  # each lemma of WordNet, all-MiniLM-L6-v2
    with pytest.raises(InputDataError, match="1,000,000 queries of 512 numbers are more than the"):
        _refuse_too_large(1_000_000, 512)
