"""Exact search against sorting all similarities."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from udfs import device_products, neighbours
from udfs.device_products import DeviceProducts
from udfs.neighbours import Nearest, nearest_in_task
from udfs.products import (
    HalfProducts,
    Products,
    SingleProducts,
    Tile,
    has_bfloat16,
    to_bfloat16,
)
from udfs.vectors import matrix, vector_lists


def unit(draws: np.random.Generator, n: int, dimension: int = 96) -> np.ndarray:
    vectors = draws.normal(size=(n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def plain(queries: np.ndarray, vectors: np.ndarray, ties: np.ndarray, k: int) -> list[list[str]]:
    """Every similarity in double precision; equal vectors have the very same."""
    rounded = np.round(queries.astype(float) @ vectors.astype(float).T, 9)
    return [[f"u{n}" for n in np.lexsort((ties, -row))[:k]] for row in rounded]


ON_HOST = [
    SingleProducts,
    pytest.param(
        HalfProducts,
        marks=pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16"),
    ),
]


# What a GPU does, on the CPU: in tiles of few products, so that there are many.
ON_DEVICE = partial(DeviceProducts, device="cpu")
WAYS = [*ON_HOST, ON_DEVICE]
Way = Callable[[np.ndarray], Any]


@pytest.fixture(params=[1 << 10, 1 << 26])
def device_tiles(request, monkeypatch) -> None:
    monkeypatch.setattr(device_products, "_TILE", request.param)
    monkeypatch.setattr(device_products, "_TILE_QUERIES", 29)
    monkeypatch.setattr(device_products, "_FIRST_ROWS", 16)


def uids_of(found: Iterable[pa.RecordBatch], n_queries: int) -> list[list[str]]:
    """The uids of each query, the nearest first."""
    of: list[list[str]] = [[] for _ in range(n_queries)]
    rows = [row for batch in found for row in batch.to_pylist()]
    for row in sorted(rows, key=lambda row: (-row["similarity"], row["tie"])):
        of[row["query"]].append(row["uid"])
    return of


@pytest.mark.slow
@pytest.mark.parametrize("products", WAYS)
@pytest.mark.parametrize("k", [1, 5, 40, 1_000])
@pytest.mark.parametrize("copies", [1, 3, 60])
@pytest.mark.parametrize("n_blocks", [1, 7])
def test_the_k_nearest_whatever_the_blocks(
    products: Way, k: int, copies: int, n_blocks: int
) -> None:
    draws = np.random.default_rng(k + copies)
    queries = unit(draws, 33)
    vectors = np.repeat(unit(draws, 600 // copies), copies, axis=0)
    ties = draws.permutation(len(vectors)).astype(np.int64)
    nearest = Nearest(queries, k, products(queries))
    order = draws.permutation(len(vectors))
    for part in np.array_split(order, n_blocks):
        nearest.add(vectors[part], pa.array([f"u{n}" for n in part]), ties[part])
    found = nearest.result()
    assert uids_of([found], 33) == plain(queries, vectors, ties, k)
    rows = [int(uid[1:]) for uid in found["uid"].to_pylist()]
    of_pair = np.einsum("ij,ij->i", vectors[rows], queries[found["query"].to_numpy()])
    assert np.allclose(found["similarity"].to_numpy(), of_pair, atol=1e-6)
    assert found["tie"].to_pylist() == ties[rows].tolist()


@pytest.mark.parametrize("products", WAYS)
def test_many_tiles_give_what_one_pair_gives(products: Way) -> None:
    """Near misses everywhere, numbers far from 1, and a similarity that hangs on the pair alone."""
    draws = np.random.default_rng(3)
    around = unit(draws, 1)
    queries = (around + 0.05 * unit(draws, 1_100)) * draws.uniform(1e-3, 1e3, (1_100, 1))
    vectors = np.append(around + 0.05 * unit(draws, 3_000), np.full((1, 96), np.nan), axis=0)
    vectors *= np.append(draws.choice([1.0, -1.0], 3_000), 1)[:, None]
    queries, vectors = queries.astype(np.float32), vectors.astype(np.float32)
    ties = draws.permutation(3_001)
    nearest = Nearest(queries, 7, products(queries))
    for part in np.array_split(np.arange(3_001), 2):
        nearest.add(vectors[part], pa.array([f"u{n}" for n in part]), ties[part])
    exact = (queries.astype(float) @ vectors[:-1].astype(float).T).astype(np.float32)
    expected = np.sort(exact, axis=1)[:, -7:]
    found = nearest.result()
    similarity = np.sort(found["similarity"].to_numpy().reshape(1_100, 7), axis=1)
    assert np.allclose(similarity, expected, rtol=1e-7, atol=0)
    rows = [int(uid[1:]) for uid in found["uid"].to_pylist()]
    of_pair = exact[found["query"].to_numpy(), rows]
    assert np.allclose(found["similarity"].to_numpy(), of_pair, rtol=1e-7, atol=0)


def alike(draws: np.random.Generator, n: int) -> np.ndarray:
    """Vectors whose numbers are all rounded in the same direction: none is off by more."""
    return np.repeat(draws.uniform(0.05, 0.2, (n, 1)), 96, axis=1).astype(np.float32)


@pytest.mark.parametrize("products", ON_HOST)
@pytest.mark.parametrize("made", [unit, alike])
def test_no_product_is_off_by_more_than_told(
    products: type[Products], made: Callable[..., np.ndarray]
) -> None:
    draws = np.random.default_rng(1)
    queries, vectors = made(draws, 600), 40 * made(draws, 1_500)
    n = 0
    for tile in products(queries).tiles(vectors):
        kind = np.float32 if tile.products.itemsize == 4 else np.int32
        bits = tile.products if kind is np.float32 else tile.products.astype(np.int32) << 16
        told = bits.view(np.float32).astype(float)
        true = queries[tile.queries].astype(float) @ vectors[tile.rows].astype(float).T
        rounding = 2.0**-8 * np.abs(told) if kind is np.int32 else 0
        assert (np.abs(told - true) <= tile.slack[:, None] + rounding).all()
        n += told.size
    assert n == 600 * 1_500


class EveryProduct:
    """Tells the kernel nothing, so that it computes all products."""

    def __init__(self, queries: np.ndarray) -> None:
        self._n = len(queries)

    def tiles(self, vectors: np.ndarray) -> Iterable[Tile]:
        products = np.zeros((self._n, len(vectors)), np.int32)
        slack = np.full(self._n, np.inf, np.float32)
        yield Tile(slice(0, self._n), slice(0, len(vectors)), products, slack)


def in_blocks(search: Nearest, vectors: np.ndarray, ties: np.ndarray, n_blocks: int) -> list[Any]:
    """What a search finds, in an order that hangs on the rows alone."""
    for part in np.array_split(np.arange(len(vectors)), n_blocks):
        search.add(vectors[part], pa.array([f"u{n}" for n in part], pa.string()), ties[part])
    rows = search.result().to_pylist()
    return sorted(rows, key=lambda row: (row["query"], row["tie"]))


def near_copies(draws: np.random.Generator, n: int) -> np.ndarray:
    """Vectors whose products all lie within the error of bfloat16, many of them equal."""
    off = draws.integers(0, 40, (n, 1)) * draws.choice([0, 1e-7, 1e-5], (n, 96))
    return (unit(np.random.default_rng(0), 1) * (1 + off)).astype(np.float32)


def of_any_length(draws: np.random.Generator, n: int) -> np.ndarray:
    return unit(draws, n) * np.exp(draws.uniform(-30, 30, (n, 1))).astype(np.float32)


def of_huge_numbers(draws: np.random.Generator, n: int) -> np.ndarray:
    """Vectors of which some have squares, or products, that float32 does not hold."""
    return unit(draws, n) * draws.choice([1, 1e18, 3e19, 1e38, 1e-12], (n, 1)).astype(np.float32)


def with_nan(draws: np.random.Generator, n: int) -> np.ndarray:
    vectors = -np.abs(unit(draws, n))  # a product of 0 would be a good one
    vectors[draws.integers(0, n, 1 + n // 10), draws.integers(0, 96)] = np.nan
    return vectors


MADE = [unit, alike, near_copies, of_any_length, of_huge_numbers, with_nan]


@pytest.mark.usefixtures("device_tiles")
@pytest.mark.parametrize("made_queries", MADE)
@pytest.mark.parametrize("made", MADE)
def test_a_device_gives_the_bits_of_all_products(
    made: Callable[..., np.ndarray], made_queries: Callable[..., np.ndarray]
) -> None:
    draws = np.random.default_rng(5)
    queries, vectors = np.abs(made_queries(draws, 50)), made(draws, 400)
    vectors[200:250] = vectors[:50]
    ties = draws.permutation(400)
    for k, n_blocks in ((7, 3), (90, 2)):
        host, device = (
            in_blocks(Nearest(queries, k, products), vectors, ties, n_blocks)
            for products in (EveryProduct(queries), ON_DEVICE(queries))
        )
        assert device == host
        expected = np.unique(np.array([row["query"] for row in host]), return_counts=True)[1]
        assert (expected == k).all()


def test_halved_as_torch_does() -> None:
    import torch

    vectors = unit(np.random.default_rng(2), 500, 40)
    vectors[0] = 0
    half, errors, norms = to_bfloat16(vectors)
    expected = torch.from_numpy(vectors).bfloat16()
    assert np.array_equal(half, expected.view(torch.int16).numpy())
    off = np.linalg.norm(vectors - expected.float().numpy(), axis=1)
    assert np.allclose(errors, off, rtol=1e-5, atol=0)
    assert np.allclose(norms, np.linalg.norm(vectors, axis=1), rtol=1e-5, atol=0)


def test_uids_are_forgotten_where_their_rows_were() -> None:
    draws = np.random.default_rng(0)
    queries, vectors = unit(draws, 2, 4), unit(draws, 300_000, 4)
    ties = np.arange(300_000)
    nearest = Nearest(queries, 3, SingleProducts(queries))
    for start in range(0, 300_000, 50_000):
        part = slice(start, start + 50_000)
        nearest.add(vectors[part], pa.array([f"u{n}" for n in ties[part]]), ties[part])
        assert len(nearest._uids) <= 120_000
    expected = plain(queries, vectors, ties, 3)
    assert uids_of([nearest.result()], 2) == expected


def test_a_device_without_room_leaves_the_rest_to_the_host(monkeypatch) -> None:
    draws = np.random.default_rng(0)
    queries, vectors, ties = unit(draws, 9), unit(draws, 100), np.arange(100)
    products = ON_DEVICE(queries)
    upload, n_left = products.upload, 2

    def upload_until_full(vectors: np.ndarray) -> Any:
        nonlocal n_left
        n_left -= 1
        return upload(vectors) if n_left >= 0 else None

    monkeypatch.setattr(products, "upload", upload_until_full)
    search = Nearest(queries, 4, products)
    found = in_blocks(search, vectors, ties, 5)
    assert found == in_blocks(Nearest(queries, 4, SingleProducts(queries)), vectors, ties, 5)
    assert not isinstance(search._products, DeviceProducts)


def test_a_task_with_a_gpu_uses_it(monkeypatch) -> None:
    """A search of few products does not look for one."""
    monkeypatch.setattr(device_products, "device_of_task", lambda _: "cpu")
    queries = unit(np.random.default_rng(0), 9)
    assert device_products.device_worth(1e9) is None
    assert device_products.device_worth(1e13) == "cpu"
    assert not isinstance(neighbours.products_of_task(queries, 10), DeviceProducts)
    monkeypatch.setattr(device_products, "device_worth", lambda _: "meta")
    monkeypatch.setattr(device_products, "DeviceProducts", lambda *_: "on the GPU")
    assert device_products.products_of_task(queries, 10) == "on the GPU"


def test_nothing_and_fewer_than_k() -> None:
    draws = np.random.default_rng(0)
    queries = unit(draws, 2)
    assert uids_of(nearest_in_task([], queries, 5, n_rows=1, table="t"), 2) == [[], []]
    lists = vector_lists(unit(draws, 1), pa.array([True]))
    batch = pa.RecordBatch.from_arrays(
        [pa.array(["u"]), lists, pa.array([0])], ["uid", "embedding", "tie"]
    )
    found = list(nearest_in_task([batch], queries, 5, n_rows=1, table="t"))
    assert pa.Table.from_batches(found)["query"].to_pylist() == [0, 1]
    assert uids_of(nearest_in_task([batch], queries, 5, n_rows=1, table="t"), 2) == [
        ["u"],
        ["u"],
    ]


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
