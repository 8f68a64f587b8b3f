"""All pairs of hashes within a Hamming distance, against comparing each with each."""

import numpy as np
import pyarrow as pa
import pytest

from udfs import hamming
from udfs.forest import no_edges, roots_of
from udfs.hamming import all_masks, band_masks, link_bands, popcount
from udfs.hamming_search import nearest_in_bands


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    different = (first[:, None] ^ second[None, :]).view(np.uint8)
    return np.unpackbits(different, axis=-1).reshape(len(first), len(second), 64).sum(axis=-1)


def similar_hashes(random: np.random.Generator, n: int, most_bits: int) -> np.ndarray:
    """Distinct hashes, many of which differ from another in up to most_bits bits."""
    hashes = random.integers(0, 2**64, n, dtype=np.uint64)
    for row in range(1, n):
        if random.random() < 0.5:
            bits = random.choice(64, int(random.integers(0, most_bits + 1)), replace=False)
            hashes[row] = hashes[random.integers(row)] ^ np.uint64(sum(1 << int(b) for b in bits))
    return np.unique(hashes)


def linked(hashes: np.ndarray, distance: int) -> list[int]:
    """The root of each hash, by the edges of `link_bands` with all bands in one task."""
    bands = np.repeat(np.arange(distance + 1, dtype=np.int32), len(hashes))
    every = np.tile(hashes.view(np.int64), distance + 1)
    batch = pa.RecordBatch.from_arrays([pa.array(bands), pa.array(every)], ["band", "hash"])
    edges = [row for part in link_bands(distance)([batch]) for row in part.to_pylist()]
    return _roots(hashes, [(row["node"], row["root"]) for row in edges])


def _roots(hashes: np.ndarray, edges: list[tuple[int, int]]) -> list[int]:
    from udfs.forest import link_all

    place = {value: k for k, value in enumerate(hashes.view(np.int64).tolist())}
    pairs = np.array([(place[a], place[b]) for a, b in edges], np.int64).reshape(-1, 2)
    parents = no_edges(len(hashes))
    link_all(pairs[:, 0], pairs[:, 1], parents)
    return roots_of(parents).tolist()


def brute_force(hashes: np.ndarray, distance: int) -> list[int]:
    first, second = np.nonzero(np.triu(distances(hashes, hashes) <= distance, 1))
    signed = hashes.view(np.int64)
    return _roots(hashes, list(zip(signed[first].tolist(), signed[second].tolist(), strict=True)))


@pytest.mark.parametrize("most", [1024, 4, 2], ids=["at once", "cut again", "cut to the end"])
def test_links_all_pairs_within_the_distance(monkeypatch, most: int) -> None:
    monkeypatch.setattr(hamming, "_MANY", most)
    random = np.random.default_rng(most)
    for _ in range(150):
        distance = int(random.integers(0, 17))
        hashes = similar_hashes(random, int(random.integers(1, 60)), distance + 2)
        assert linked(hashes, distance) == brute_force(hashes, distance)


def test_hashes_that_agree_in_all_but_few_bits_are_linked() -> None:
    """Of 2^9 hashes that differ in nine bits alone, all are linked by distance 1, none by 0."""
    hashes = np.arange(512, dtype=np.uint64) << np.uint64(20)
    assert set(linked(hashes, 1)) == {0}
    assert linked(hashes, 0) == list(range(512))


def test_hashes_that_are_all_alike_are_not_cut_again_and_again() -> None:
    """5,000 hashes that agree in all but 13 bits: cuts would not thin them out."""
    hashes = np.arange(5000, dtype=np.uint64) * np.uint64(2**40)
    assert set(linked(hashes, 4)) == {0}


def test_bands_cover_each_bit_once() -> None:
    for distance in range(17):
        masks = all_masks(distance)
        assert len(masks) == distance + 1
        assert sum(masks) == 2**64 - 1
    assert band_masks([1, 5, 9], 2) == [0b100010, 1 << 9]


def test_counts_bits() -> None:
    random = np.random.default_rng(3)
    words = [0, 2**64 - 1, 1 << 63, *random.integers(0, 2**64, 1000, dtype=np.uint64).tolist()]
    for word in words:
        assert popcount(np.uint64(word)) == int(word).bit_count()


def test_the_nearest_item_of_each_set_is_found() -> None:
    random = np.random.default_rng(4)
    for _ in range(300):
        distance = int(random.integers(0, 17))
        both = similar_hashes(random, int(random.integers(2, 60)), distance + 2)
        random.shuffle(both)
        items, queries = both[: len(both) // 2], both[len(both) // 4 :]
        sets = random.integers(0, 3, len(items))
        names = [f"i{k}" for k in random.permutation(len(items))]
        rows = [
            *((int(node), None, None) for node in queries.view(np.int64)),
            *zip(items.view(np.int64).tolist(), map("s{}".format, sets), names, strict=True),
        ]
        nearest: dict[tuple[int, str], tuple[float, str]] = {}
        for batch in nearest_in_bands(distance)(batches_of_bands(random, rows, distance)):
            for row in batch.to_pylist():
                key, found = (row["node"], row["benchmark"]), (row["value"], row["item"])
                nearest[key] = min(found, nearest.get(key, found))
        table = distances(queries, items)
        expected: dict[tuple[int, str], tuple[float, str]] = {}
        for query, item in np.argwhere(table <= distance):
            key = (int(queries[query].view(np.int64)), f"s{sets[item]}")
            found = (float(table[query, item]), names[item])
            expected[key] = min(found, expected.get(key, found))
        assert nearest == expected


def batches_of_bands(
    random: np.random.Generator, rows: list[tuple[int, str | None, str | None]], distance: int
) -> list[pa.RecordBatch]:
    """The batches of a task that has all bands, in any order."""
    columns = pa.schema(
        {"node": pa.int64(), "benchmark": pa.string(), "item": pa.string(), "band": pa.int32()}
    )
    spread = [
        dict(zip(columns.names, (*row, band), strict=True))
        for row in rows
        for band in range(distance + 1)
    ]
    random.shuffle(spread)  # type: ignore[arg-type]
    cut = int(random.integers(0, len(spread) + 1))
    return [pa.RecordBatch.from_pylist(part, columns) for part in (spread[:cut], spread[cut:])]
