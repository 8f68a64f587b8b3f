import random

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.draws import Draw
from udfs.uniform_draws import uniform


def keys(n: int) -> list[str | None]:
    drawn = random.Random(8)
    letters = ["a", "0", "é", "日", "\x00", chr(0x10FFFF)]
    return [
        None if k % 50 == 7 else "".join(drawn.choices(letters, k=drawn.randrange(k % 130 + 1)))
        for k in range(n)
    ]


@pytest.mark.parametrize("seed", [0, 1, -5, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("purpose", ["balance", "", "a purpose of more than thirty-two bytes#2"])
def test_draws_are_those_of_spark(spark: SparkSession, purpose: str, seed: int) -> None:
    given = keys(4_000)
    frame = spark.createDataFrame([(key,) for key in given], "uid string").coalesce(1)
    expected = [row[0] for row in frame.select(Draw(purpose, seed).of("uid")).collect()]
    found = uniform(purpose, pa.array(given, pa.string()), seed)
    assert np.array_equal(found, expected)


def test_slices_and_no_keys() -> None:
    given = pa.array(keys(300), pa.string())
    whole = uniform("balance", given, 3)
    assert np.array_equal(uniform("balance", given.slice(100, 50), 3), whole[100:150])
    assert uniform("balance", given.slice(0, 0), 3).shape == (0,)
    assert uniform("balance", pa.array([], pa.string()), 3).shape == (0,)
