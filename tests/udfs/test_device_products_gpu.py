"""Search and clusters on a GPU: the bits of the CPU."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from udfs import nearest_centroids as module
from udfs.device_products import DeviceCentroids, DeviceProducts, device_worth, products_of_task
from udfs.nearest_centroids import CentroidSearch
from udfs.neighbours import Nearest
from udfs.products import SingleProducts

pytestmark = pytest.mark.gpu


def unit(seed: int, n: int, dimension: int = 64) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def near_copies(seed: int, n: int, dimension: int = 64) -> np.ndarray:
    """Vectors whose products all lie within the error of bfloat16; each twice."""
    vectors = unit(0, 1, dimension) + 1e-4 * unit(seed, n // 2, dimension)
    return np.repeat(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 2, axis=0)


def searched(products: object, queries: np.ndarray, vectors: np.ndarray, k: int) -> pa.Table:
    search = Nearest(queries, k, products)  # type: ignore[arg-type]
    ties = np.random.default_rng(9).permutation(len(vectors))
    for part in np.array_split(np.arange(len(vectors)), 3):
        search.add(vectors[part], pa.array(part).cast(pa.string()), ties[part])
    table = pa.Table.from_batches([search.result()])
    return table.sort_by([("query", "ascending"), ("tie", "ascending")])


@pytest.fixture
def little_memory() -> Iterator[None]:
    """200 MB of the GPU are left to this process."""
    import torch

    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    used = torch.cuda.memory_reserved()
    torch.cuda.set_per_process_memory_fraction((used + (200 << 20)) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize("made", [unit, near_copies])
@pytest.mark.parametrize("k", [1, 50])
def test_neighbours(made, k: int) -> None:
    queries, vectors = made(1, 2_000), made(2, 20_000)
    vectors[7, 3] = np.nan
    found = searched(DeviceProducts(queries, "cuda"), queries, vectors, k)
    assert found.equals(searched(SingleProducts(queries), queries, vectors, k))


@pytest.mark.parametrize("made", [unit, near_copies])
@pytest.mark.parametrize("length", [1, 1e3])
def test_centroids(made, length: float) -> None:
    vectors, centroids = (made(3, 20_000) * length).astype(np.float32), made(4, 2_000)
    centroids[1::50] = centroids[5]
    host, device = CentroidSearch(centroids), CentroidSearch(centroids)
    host._was_device_tried = device._was_device_tried = True
    device._device = DeviceCentroids(centroids, "cuda")
    assert all(map(np.array_equal, device.of(vectors), host.of(vectors)))
    assert device._device is not None


@pytest.mark.usefixtures("little_memory")
def test_tiles_are_halved_where_memory_is_short() -> None:
    queries, vectors = unit(1, 8_000), unit(2, 60_000)
    products = DeviceProducts(queries, "cuda")
    found = searched(products, queries, vectors, 5)
    assert found.equals(searched(SingleProducts(queries), queries, vectors, 5))


@pytest.mark.usefixtures("little_memory")
def test_without_room_the_cpu_does_it(monkeypatch) -> None:
    queries, large = unit(1, 20, 512), unit(2, 150_000, 512)  # of 300 MB
    assert not isinstance(products_of_task(large, 1 << 40), DeviceProducts)
    search = Nearest(queries, 5, DeviceProducts(queries, "cuda"))
    search.add(large, pa.nulls(len(large), pa.string()), np.arange(len(large)))
    assert not isinstance(search._products, DeviceProducts)
    monkeypatch.setattr(module, "_DEVICE_ROWS", 1 << 20)
    centroids = CentroidSearch(queries)
    centroids._device = DeviceCentroids(queries, "cuda")
    centroids._was_device_tried = True
    cluster, _ = centroids.of(large)
    assert centroids._device is None
    assert (cluster == (large @ queries.T).argmax(axis=1)).mean() > 0.999


def test_large_work_goes_to_the_gpu() -> None:
    assert device_worth(1e13) == "cuda:0"
    assert isinstance(products_of_task(unit(0, 100, 16), 1 << 40), DeviceProducts)
