"""Unit vectors of tables, and cosines as they are stored."""

from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pyarrow as pa
import pytest

from udfs.task_errors import TaskInputError
from udfs.vectors import matrix, stored_cosines, unit_matrix, vector_lists


def lists_of(vectors: np.ndarray) -> pa.ListArray:
    return vector_lists(vectors.astype(np.float32), pa.array([True] * len(vectors)))


def unit(n: int, dimension: int = 24, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


UIDS = pa.array([f"u{k}" for k in range(50)])


@pytest.mark.parametrize("length", [0.999_1, 1.000_9, 1.0])
def test_lengths_of_half_precision_are_set_to_1(length: float) -> None:
    vectors = unit(50)
    vectors[7] *= length
    found = unit_matrix(lists_of(vectors), UIDS, "t")
    assert np.abs(np.linalg.norm(found.astype(float), axis=1) - 1).max() < 2e-6
    others = np.arange(50) != 7
    assert np.array_equal(found[others], vectors[others])  # a unit vector stays bit for bit
    alone = unit_matrix(lists_of(vectors[7:8]), UIDS[7:8], "t")
    assert np.array_equal(alone[0], found[7])  # whatever stands beside it


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3.0, "length 3,"), (0.0, "length 0,"), (0.998, "0.998"), (np.nan, "nan"), (np.inf, "inf")],
)
def test_other_lengths_are_refused_with_table_row_and_length(value: float, shown: str) -> None:
    vectors = unit(50)
    vectors[7] *= value
    with pytest.raises(TaskInputError) as fault:
        unit_matrix(lists_of(vectors), pa.chunked_array([UIDS[:5], UIDS[5:]]), "/a/table")
    message = str(fault.value)
    assert message.startswith("table /a/table: the vector of 'u7' has length")
    assert shown in message
    assert "expected 1: import-embeddings makes unit vectors" in message
    assert "\n" not in message


def test_a_null_inside_a_vector_is_no_number() -> None:
    lists = pa.array([[1.0, 0.0], [1.0, None]], pa.list_(pa.float32()))
    assert np.isnan(matrix(lists)[1, 1])
    with pytest.raises(TaskInputError, match="'b' has length nan"):
        unit_matrix(lists, pa.array(["a", "b"]), "t")


def test_nothing_is_of_unit_length() -> None:
    assert unit_matrix(lists_of(unit(3)).slice(0, 0), UIDS[:0], "t").shape[0] == 0


def test_cosines_are_stored_to_six_decimals() -> None:
    draws = np.random.default_rng(1)
    values = [*draws.uniform(-1, 1, 20_000), 1.000_000_4, -1.000_000_4, 1.01, 0.82, 0.5, 1.0, 0.0]
    for kind in (np.float64, np.float32):
        products = np.array(values, kind)
        stored = stored_cosines(products)
        assert stored.dtype == np.float32
        step = Decimal("0.000001")
        for product, found in zip(products.tolist(), stored.tolist(), strict=True):
            rounded = Decimal(product).quantize(step, ROUND_HALF_EVEN)
            expected = min(Decimal(1), max(Decimal(-1), rounded))
            assert abs(Decimal(found) - expected) < Decimal("6.1e-8")  # float32 of that number
            assert np.float32(float(expected)) == np.float32(found) or abs(
                Decimal(product) % step - step / 2
            ) < Decimal("1e-12")
    assert stored_cosines(np.array([0.82 + 2e-7, 0.82 - 2e-7])).tolist() == [np.float32(0.82)] * 2


def test_a_cosine_of_equal_vectors_is_1_whatever_its_last_bits() -> None:
    vectors = unit(500, 384)
    noise = np.random.default_rng(2).normal(scale=1e-7, size=vectors.shape)
    noisy = (vectors * (1 + noise)).astype(np.float32)
    assert set(stored_cosines(np.einsum("ij,ij->i", vectors, noisy)).tolist()) == {1.0}
