"""Exact search against sorting all similarities."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pytest

from udfs.neighbours import Nearest, nearest_in_task
from udfs.vectors import matrix, vector_lists


def unit(draws: np.random.Generator, n: int, dimension: int = 24) -> np.ndarray:
    vectors = draws.normal(size=(n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def plain(queries: np.ndarray, vectors: np.ndarray, ties: np.ndarray, k: int) -> list[list[str]]:
    """Every similarity in double precision; equal vectors have the very same."""
    rounded = np.round(queries.astype(float) @ vectors.astype(float).T, 9)
    return [[f"u{n}" for n in np.lexsort((ties, -row))[:k]] for row in rounded]


def uids_of(found: Iterable[pa.RecordBatch], n_queries: int) -> list[list[str]]:
    """The uids of each query, in the order in which they were found."""
    of: list[list[str]] = [[] for _ in range(n_queries)]
    for batch in found:
        for row in batch.to_pylist():
            of[row["query"]].append(row["uid"])
    return of


@pytest.mark.parametrize("k", [1, 5, 40, 1_000])
@pytest.mark.parametrize("copies", [1, 3, 60])
@pytest.mark.parametrize("n_blocks", [1, 7])
def test_the_k_nearest_whatever_the_blocks(k: int, copies: int, n_blocks: int) -> None:
    draws = np.random.default_rng(k + copies)
    queries = unit(draws, 33)
    vectors = np.repeat(unit(draws, 600 // copies), copies, axis=0)
    ties = draws.permutation(len(vectors)).astype(np.int64)
    nearest = Nearest(queries, k)
    order = draws.permutation(len(vectors))
    for part in np.array_split(order, n_blocks):
        nearest.add(vectors[part], pa.array([f"u{n}" for n in part]), ties[part])
    found = nearest.found()
    assert uids_of([found], 33) == plain(queries, vectors, ties, k)
    rows = [int(uid[1:]) for uid in found["uid"].to_pylist()]
    of_pair = np.einsum("ij,ij->i", vectors[rows], queries[found["query"].to_numpy()])
    assert np.allclose(found["similarity"].to_numpy(), of_pair, atol=1e-6)
    assert found["tie"].to_pylist() == ties[rows].tolist()


def test_uids_are_forgotten_where_their_rows_were() -> None:
    draws = np.random.default_rng(0)
    queries, vectors = unit(draws, 2, 4), unit(draws, 300_000, 4)
    ties = np.arange(300_000)
    nearest = Nearest(queries, 3)
    for start in range(0, 300_000, 50_000):
        part = slice(start, start + 50_000)
        nearest.add(vectors[part], pa.array([f"u{n}" for n in ties[part]]), ties[part])
        assert len(nearest._uids) <= 120_000
    expected = plain(queries, vectors, ties, 3)
    assert uids_of([nearest.found()], 2) == expected


def test_nothing_and_fewer_than_k() -> None:
    draws = np.random.default_rng(0)
    queries = unit(draws, 2)
    assert uids_of(nearest_in_task([], queries, 5, 0), 2) == [[], []]
    lists = vector_lists(unit(draws, 1), pa.array([True]))
    batch = pa.RecordBatch.from_arrays(
        [pa.array(["u"]), lists, pa.array([0])], ["uid", "embedding", "tie"]
    )
    found = list(nearest_in_task([batch], queries, 5, 7))
    assert pa.Table.from_batches(found)["query"].to_pylist() == [7, 8]
    assert uids_of(nearest_in_task([batch], queries, 5, 0), 2) == [["u"], ["u"]]


def test_lists_and_matrices() -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    lists = vector_lists(vectors, pa.array([True, False, True]))
    assert lists.to_pylist() == [[0, 1], None, [4, 5]]
    assert np.array_equal(matrix(lists.filter(lists.is_valid())), vectors[[0, 2]])
    assert matrix(pa.chunked_array([lists.slice(2), lists.slice(0, 1)])).tolist() == [
        [4, 5],
        [0, 1],
    ]
    assert matrix(lists.slice(0, 0)).shape == (0, 0)
    with pytest.raises(ValueError, match="different lengths: 1, 2"):
        matrix(pa.array([[1.0], [1.0, 2.0]], pa.list_(pa.float32())))
