"""Nearest centroids of a host and of what a GPU does, against all products in float64."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from udfs import device_products, nearest_centroids
from udfs.device_products import DeviceCentroids
from udfs.nearest_centroids import CentroidSearch, keep_best_of_tiles
from udfs.products import HalfProducts, SingleProducts, has_bfloat16


def on_host(kind: type, vectors: np.ndarray, centroids: np.ndarray) -> tuple:
    best, best_centroid = np.full(len(vectors), -np.inf), np.full(len(vectors), -1)
    keep_best_of_tiles(kind(vectors), vectors, centroids, best, best_centroid)
    return best_centroid, best


def on_device(vectors: np.ndarray, centroids: np.ndarray) -> tuple:
    search = CentroidSearch(centroids)
    search._device, search._was_device_tried = DeviceCentroids(centroids, "cpu"), True
    found = search.of(vectors)
    assert search._device is not None
    return found


WAYS = [
    partial(on_host, SingleProducts),
    pytest.param(
        partial(on_host, HalfProducts),
        marks=pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16"),
    ),
    on_device,
]


@pytest.fixture(params=[(1 << 7, 19), (1 << 26, 1 << 14)])
def tiles(request, monkeypatch) -> None:
    monkeypatch.setattr(device_products, "_TILE", request.param[0])
    monkeypatch.setattr(device_products, "_TILE_CENTROIDS", request.param[1])
    monkeypatch.setattr(nearest_centroids, "_DEVICE_ROWS", 500)


def eighths(draws: np.random.Generator, n: int, dimension: int) -> np.ndarray:
    """Products of these are exact and often equal: the first centroid stays."""
    return (draws.integers(-9, 9, (n, dimension)) / 8).astype(np.float32)


def normal(draws: np.random.Generator, n: int, dimension: int) -> np.ndarray:
    return draws.normal(size=(n, dimension)).astype(np.float32)


def of_any_length(draws: np.random.Generator, n: int, dimension: int) -> np.ndarray:
    return normal(draws, n, dimension) * np.exp(draws.uniform(-30, 30, (n, 1))).astype(np.float32)


def near_copies(draws: np.random.Generator, n: int, dimension: int) -> np.ndarray:
    """Whose products all lie within the error of bfloat16; some are copies."""
    around = normal(np.random.default_rng(0), 1, dimension)
    return np.repeat(around * (1 + 1e-6 * normal(draws, n, dimension)), 2, axis=0)[:n]


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("made", [eighths, normal, of_any_length, near_copies])
@pytest.mark.parametrize(("n", "k", "dimension"), [(1, 1, 1), (700, 40, 3), (1_200, 300, 24)])
def test_the_first_of_the_largest_products(
    way: Callable[..., tuple], made: Callable[..., np.ndarray], n: int, k: int, dimension: int
) -> None:
    draws = np.random.default_rng(n)
    vectors, centroids = made(draws, n, dimension), made(draws, k, dimension)
    centroids[-1] = centroids[0]
    cluster, best = way(vectors, centroids)
    exact = np.stack([(vectors.astype(float) * one.astype(float)).sum(1) for one in centroids], 1)
    size = np.linalg.norm(vectors, axis=1) * np.linalg.norm(centroids, axis=1).max()
    assert (exact.max(axis=1) - exact[np.arange(n), cluster] <= 1e-13 * size).all()
    assert (np.abs(best - exact.max(axis=1)) <= 1e-13 * size).all()
    if made is eighths:
        assert (cluster == exact.argmax(axis=1)).all()
    [same], same_best = on_host(SingleProducts, vectors[:1], centroids)
    assert (cluster[0], best[0]) == (same, same_best[0])


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("made", [eighths, normal, of_any_length, near_copies])
def test_a_device_gives_the_bits_of_the_host(made: Callable[..., np.ndarray]) -> None:
    draws = np.random.default_rng(1)
    vectors, centroids = made(draws, 1_100, 40), made(draws, 260, 40)
    centroids[::7] = centroids[3]
    vectors[5, 3] = np.nan
    host, device = on_host(SingleProducts, vectors, centroids), on_device(vectors, centroids)
    assert host[0][5] == -1
    assert (host[0] == device[0]).all()
    assert (host[1] == device[1]).all()


def test_numbers_that_float32_does_not_hold() -> None:
    draws = np.random.default_rng(2)
    vectors, centroids = normal(draws, 300, 8), normal(draws, 40, 8)
    vectors[::3] *= np.float32(3e19)
    centroids[::5] *= np.float32(1e37)
    centroids[::7] *= np.float32(1e-30)
    cluster, best = on_device(vectors, centroids)
    exact = vectors.astype(float) @ centroids.astype(float).T
    assert (cluster == exact.argmax(axis=1)).all()
    assert np.allclose(best, exact.max(axis=1), rtol=1e-12, atol=0)


def test_a_device_is_looked_for_once_enough_is_done(monkeypatch) -> None:
    """A device that has no room any more is not used again."""
    asked = []

    def worth(n: int) -> str | None:
        asked.append(n)
        return "some" if n > 100 else None

    monkeypatch.setattr(nearest_centroids, "device_worth", worth)
    monkeypatch.setattr(
        nearest_centroids, "if_room", lambda kind, fixed, device: kind(fixed, "cpu")
    )
    draws = np.random.default_rng(0)
    vectors, centroids = normal(draws, 9, 4), normal(draws, 2, 4)
    expected = on_host(SingleProducts, vectors, centroids)
    search = CentroidSearch(centroids)
    has_device = []
    for turn in range(4):
        if turn == 3:
            monkeypatch.setattr(search._device, "upload", lambda _: None)
        assert all(map(np.array_equal, search.of(vectors), expected))
        has_device.append(search._device is not None)
    assert has_device == [False, True, True, False]
    search.of(vectors)
    assert asked == [72, 144]
