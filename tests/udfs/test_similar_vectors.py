"""All pairs of vectors above a threshold, against products of each with each in double."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from udfs import similar_vectors
from udfs.equal_rows import distinct_rows
from udfs.forest import link_all, no_edges, roots_of
from udfs.similar_vectors import link_blocks, most_similar_items
from udfs.task_errors import TaskInputError
from udfs.upper_bounds import ROUNDING, UpperBounds, upper_bounds
from udfs.vectors import vector_lists


def unit_vectors(random: np.random.Generator, n: int, dimension: int) -> np.ndarray:
    """Unit vectors, some of them equal, some close to each other."""
    vectors = random.normal(size=(n, dimension)).astype(np.float32)
    for row in range(1, n):
        kind = random.integers(4)
        if kind == 0:
            vectors[row] = vectors[random.integers(row)]
        elif kind == 1:
            noise = random.normal(size=dimension) * random.random()
            vectors[row] = vectors[random.integers(row)] + noise
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def batches(vectors: np.ndarray, n_blocks: int) -> Iterator[pa.RecordBatch]:
    """The rows of each block: its own, then those of all later blocks."""
    block_of = np.arange(len(vectors)) % n_blocks
    for block in range(n_blocks):
        for is_stored, [rows] in (
            (True, np.nonzero(block_of == block)),
            (False, np.nonzero(block_of > block)),
        ):
            columns = {
                "block": np.full(len(rows), block, np.int32),
                "is_stored": np.full(len(rows), is_stored),
                "uid": [str(row) for row in rows],
                "embedding": vector_lists(vectors[rows], pa.array([True] * len(rows))),
            }
            yield pa.RecordBatch.from_arrays([*map(pa.array, columns.values())], [*columns])


def roots(n: int, pairs: np.ndarray) -> list[int]:
    parents = no_edges(n)
    link_all(*pairs.reshape(-1, 2).astype(np.int64).T, parents)
    return roots_of(parents).tolist()


@pytest.mark.parametrize("worth", [1 << 22, 0], ids=["as they are", "by bounds"])
def test_links_all_pairs_of_a_large_cosine(monkeypatch, worth: int) -> None:
    monkeypatch.setattr(similar_vectors, "_WORTH_BOUNDS", worth)
    random = np.random.default_rng(worth % 7)
    for _ in range(80):
        n, dimension = int(random.integers(1, 60)), int(random.choice([2, 24, 40]))
        vectors = unit_vectors(random, n, dimension)
        exact = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
        threshold = float(random.choice([0.3, 0.8, 0.95, 0.9999995]))
        if (abs(exact - threshold) < 1e-7).any():
            continue
        found = link_blocks(threshold, n, "vectors")(batches(vectors, int(random.integers(1, 4))))
        edges = [(int(row["node"]), int(row["root"])) for b in found for row in b.to_pylist()]
        expected = np.argwhere(np.triu(exact >= threshold, 1))
        assert roots(n, np.array(edges)) == roots(n, expected)


def test_a_block_in_many_batches_is_one_block() -> None:
    vectors = unit_vectors(np.random.default_rng(5), 40, 8)
    one_by_one = [b.slice(k, 1) for b in batches(vectors, 2) for k in range(b.num_rows)]
    whole, cut = (
        [row for b in link_blocks(0.9, 40, "vectors")(parts) for row in b.to_pylist()]
        for parts in (batches(vectors, 2), one_by_one)
    )
    key = lambda row: (row["node"], row["root"])  # noqa: E731
    assert sorted(whole, key=key) == sorted(cut, key=key) != []


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0])
def test_a_vector_of_another_length_is_refused(value: float) -> None:
    vectors = np.eye(3, dtype=np.float32)
    vectors[1, 1] = value
    with pytest.raises(TaskInputError, match="table vectors: the vector of '1' has length"):
        list(link_blocks(0.9, 3, "vectors")(batches(vectors, 1)))


def test_bounds_are_never_below_the_product() -> None:
    random = np.random.default_rng(6)
    for _ in range(300):
        dimension = int(random.integers(2, 40))
        vectors = random.normal(size=(20, dimension)).astype(np.float32)
        axes, _ = np.linalg.qr(random.normal(size=(dimension, dimension)))
        bounds = UpperBounds(axes[:, : int(random.integers(1, dimension))])
        short = bounds.shortened(vectors).astype(np.float64)
        exact = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1)
        assert (short @ short.T + ROUNDING * np.outer(lengths, lengths) >= exact).all()


def test_few_axes_are_enough_for_vectors_along_few() -> None:
    random = np.random.default_rng(7)
    flat = random.normal(size=(4000, 256)) * (np.arange(256) < 16)
    vectors = (flat / np.linalg.norm(flat, axis=1, keepdims=True)).astype(np.float32)
    axes = upper_bounds(vectors, vectors, 0.99).axes
    assert axes is not None
    assert axes.shape == (256, 16)


def test_minus_zero_is_zero() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, -0.0]], np.float32)
    first, of_row = distinct_rows(vectors)
    assert (first.tolist(), of_row.tolist()) == ([0, 1], [0, 1, 0])


@pytest.mark.parametrize("worth", [1 << 22, 0], ids=["as they are", "by bounds"])
def test_finds_the_most_similar_item_of_each_set(monkeypatch, worth: int) -> None:
    monkeypatch.setattr(similar_vectors, "_WORTH_BOUNDS", worth)
    random = np.random.default_rng(8)
    for _ in range(150):
        dimension = int(random.choice([2, 24, 40]))
        both = unit_vectors(random, int(random.integers(2, 60)), dimension)
        both *= random.choice([0.5, 1, 2], (len(both), 1)).astype(np.float32)
        items, rows = both[: len(both) // 2], both[len(both) // 2 :]
        sets = np.sort(random.integers(0, 3, len(items)))
        exact = rows.astype(np.float64) @ items.T.astype(np.float64)
        threshold = float(np.quantile(exact, 0.8)) + 1e-7
        find = most_similar_items(items, sets, 3, threshold, len(rows), "rows")
        batch = pa.RecordBatch.from_arrays(
            [
                pa.array([str(k) for k in range(len(rows))]),
                vector_lists(rows, pa.array([True] * len(rows))),
            ],
            ["uid", "embedding"],
        )
        found = {
            (int(row["uid"]), sets[row["item"]]): (row["item"], row["value"])
            for part in find([batch])
            for row in part.to_pylist()
        }
        for row in range(len(rows)):
            for group in range(3):
                [of_set] = np.nonzero(sets == group)
                best = max((exact[row, k] for k in of_set), default=-9)
                if best <= threshold:
                    assert (row, group) not in found
                    continue
                item, value = found[row, group]
                assert value == pytest.approx(best, abs=1e-9)
                equal = [k for k in of_set if (items[k] == items[item]).all()]
                assert item == equal[0]
                assert exact[row, item] == pytest.approx(best, abs=1e-9)


def test_a_vector_with_nan_is_refused() -> None:
    vectors = np.array([[np.nan, 1]], np.float32)
    lists = vector_lists(vectors, pa.array([True]))
    batch = pa.RecordBatch.from_arrays([pa.array(["a"]), lists], ["uid", "embedding"])
    find = most_similar_items(np.eye(2, dtype=np.float32), np.zeros(2, int), 1, 0.5, 1, "rows")
    with pytest.raises(TaskInputError, match="table rows: the vector of 'a' has a number that is"):
        list(find([batch]))
