"""The vectors that an index is trained on, against sorting them all by their draws."""

import numpy as np
import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.draws import Draw
from spark_jobs.neighbours.training import training_vectors

N, DIMENSION = 2_000, 8


@pytest.mark.parametrize(
    ("wanted", "deviations"), [(1, 7), (100, 7), (1_999, 7), (5_000, 7), (100, -5)]
)
def test_the_smallest_draws_in_their_order(
    spark: SparkSession, wanted: int, deviations: float
) -> None:
    """With -5 deviations fewer than wanted are below the bound, so that all are looked at."""
    draws = np.random.default_rng(0).normal(size=(N, DIMENSION)).astype(np.float32)
    unit = draws / np.linalg.norm(draws, axis=1, keepdims=True)
    rows = spark.createDataFrame(
        [(f"u{k}", vector.tolist()) for k, vector in enumerate(unit)],
        "uid string, embedding array<float>",
    ).repartition(5)
    found = training_vectors(
        rows, "uid", wanted, 3, n_rows=N, dimension=DIMENSION, table="t", deviations=deviations
    )
    by_draw = rows.orderBy(Draw("build-index/train", 3).of("uid"), "uid").limit(wanted)
    expected = np.array([row.embedding for row in by_draw.collect()], np.float32)
    assert found.shape == (min(wanted, N), DIMENSION)
    assert np.abs(found - expected).max() < 1e-6
