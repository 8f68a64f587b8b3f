"""Similar vectors by hashes, against products of each with each in double."""

import math
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats

from udfs import random_planes
from udfs.bucket_kernel import SKETCH_WORDS, link_buckets, sort_into_buckets
from udfs.forest import link_all, no_edges, roots_of
from udfs.hashed_vectors import link_by_hashes
from udfs.hyperplane_plan import MISSED, SKETCH_BITS, HashPlan, plan_hashes
from udfs.random_planes import plane_sides


def unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def spread(random: np.random.Generator, n: int) -> np.ndarray:
    """Vectors in all directions; of each twentieth a copy turned by up to 25 degrees."""
    vectors = random.normal(size=(n, 64))
    near = n // 20
    noise = random.uniform(0, 0.45, (near, 1)) * random.normal(size=(near, 64))
    vectors[:near] = vectors[near : 2 * near] + noise
    return unit(vectors)


def cone(random: np.random.Generator, n: int) -> np.ndarray:
    """The same, all of them within a cone, as embeddings of images lie."""
    return unit(spread(random, n) + np.float32(0.1))


def dense(random: np.random.Generator, n: int) -> np.ndarray:
    """Equal ones, and clusters of which some are as wide as the threshold."""
    centres = random.normal(size=(12, 64))
    width = np.array([0.0, 0.1, 0.2, 0.3])[np.arange(n) % 4, None]
    return unit(centres[np.arange(n) % 12] + width * random.normal(size=(n, 64)))


def odd(random: np.random.Generator) -> np.ndarray:
    """Few numbers a vector; equal ones, opposite ones, steps of a circle, -0, ones along axes."""
    n, dimension = int(random.integers(1, 60)), int(random.choice([1, 2, 3, 16]))
    kind = random.integers(5)
    if kind == 0:  # of a few, some the other way round
        few = random.normal(size=(3, dimension))
        vectors = few[random.integers(0, 3, n)] * random.choice([-1, 1], (n, 1))
    elif kind == 1:
        steps = np.arange(n) * random.choice([0.1, 0.3, 0.45])
        vectors = np.zeros((n, max(2, dimension)))
        vectors[:, 0], vectors[:, 1] = np.cos(steps), np.sin(steps)
    elif kind == 2:
        vectors = np.full((n, dimension), -0.0)
        vectors[np.arange(n), random.integers(0, dimension, n)] = random.choice([-1, 1], n)
    else:
        centres = random.normal(size=(4, dimension))
        width = random.choice([0.02, 0.1, 0.3])
        vectors = centres[random.integers(0, 4, n)] + width * random.normal(size=(n, dimension))
    return unit(vectors)


def components(n: int, pairs: np.ndarray) -> list[int]:
    parents = no_edges(n)
    link_all(*np.ascontiguousarray(pairs.reshape(-1, 2).astype(np.int64).T), parents)
    return roots_of(parents).tolist()


def by_brute_force(vectors: np.ndarray, threshold: float) -> list[int]:
    exact = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    return components(len(vectors), np.argwhere(np.triu(exact >= threshold, 1)))


def by_hashes(vectors: np.ndarray, threshold: float, bits: int, n_tasks: int) -> list[int]:
    """In tables of some bits, not planned: for few it costs less to compare each with each."""
    hash_agrees = (1 - math.acos(threshold) / math.pi) ** bits
    plan = HashPlan(bits, math.ceil(math.log(1e-10) / math.log1p(-hash_agrees)), 110)
    uids = pa.array(range(len(vectors))).cast(pa.string())
    link = link_by_hashes(vectors, uids, plan, threshold)
    tasks = [pa.array(range(first, plan.n_tables, n_tasks)) for first in range(n_tasks)]
    edges = [
        (int(edge["node"]), int(edge["root"]))
        for task in tasks
        for batch in link([pa.RecordBatch.from_arrays([task], ["id"])])
        for edge in batch.to_pylist()
    ]
    return components(len(vectors), np.array(edges))


def test_odd_sets_are_linked_as_by_brute_force() -> None:
    random = np.random.default_rng(7)
    for _ in range(400):
        vectors = odd(random)
        threshold = float(random.choice([0.9, 0.95, 0.99, 1.0])) - 5e-7
        found = by_hashes(vectors, threshold, bits=3, n_tasks=1)
        assert found == by_brute_force(vectors, threshold)


@pytest.mark.parametrize("kind", [spread, cone, dense])
@pytest.mark.parametrize("threshold", [0.9, 0.95, 0.99, 0.9999995])
def test_links_all_pairs_of_a_large_cosine(
    kind: Callable[[np.random.Generator, int], np.ndarray], threshold: float
) -> None:
    vectors = kind(np.random.default_rng(3), 3000)
    found = by_hashes(vectors, threshold, bits=8, n_tasks=2)
    assert found == by_brute_force(vectors, threshold)


@pytest.mark.parametrize("threshold", [0.8, 0.95, 0.999, 1.0])
def test_a_plan_misses_no_more_than_it_says(threshold: float) -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(4096, 64)))
    plan = plan_hashes(np.tile(vectors, (500, 1)), threshold)
    assert plan is not None
    differs = math.acos(threshold) / math.pi
    in_no_table = (1 - (1 - differs) ** plan.bits) ** plan.n_tables
    too_different = scipy.stats.binom.sf(plan.most_different, SKETCH_BITS, differs)
    assert in_no_table + too_different <= MISSED
    if threshold < 1:  # and needs no more than that
        fewer = (1 - (1 - differs) ** plan.bits) ** (plan.n_tables * 0.9 - 1)
        assert fewer > MISSED / 2
        assert scipy.stats.binom.sf(plan.most_different - 4, SKETCH_BITS, differs) > MISSED / 2


def test_all_pairs_are_compared_where_that_costs_less() -> None:
    random = np.random.default_rng(1)
    few = unit(random.normal(size=(100, 64)))
    assert plan_hashes(few, 0.95) is None
    many = np.tile(few, (2000, 1))  # copies, which hashes find at once
    assert plan_hashes(many, 0.95) is not None
    # In one bucket, whatever the planes, and with sketches alike, but not near enough.
    alike = unit(random.normal(size=(200_000, 64)) * 0.042 + 0.125)
    assert (alike[:100] @ alike[100:200].T).mean() < 0.92
    assert plan_hashes(alike, 0.95) is None


def test_a_plan_does_not_depend_on_the_order_of_rows() -> None:
    random = np.random.default_rng(5)
    alike = unit(random.normal(size=(1, 64)) + 0.26 * random.normal(size=(65_536, 64)))
    periodic = alike.copy()
    periodic[::32] = unit(random.normal(size=(65_536 // 32, 64)))
    assert plan_hashes(periodic, 0.95) == plan_hashes(random.permutation(periodic), 0.95)


def test_a_bucket_of_near_copies_takes_no_time_by_its_square() -> None:
    random = np.random.default_rng(6)
    n = 100_000
    vectors = unit(1 + 0.01 * random.normal(size=(n, 8)))
    words = np.zeros((n, SKETCH_WORDS), np.uint64)
    starts, order, parents = np.array([0, n]), np.arange(n), no_edges(n)
    few = no_edges(2)
    link_buckets(np.arange(2), np.array([0, 2]), words[:2], 0, vectors[:2], 0.9, few)  # compiled
    start_s = time.process_time()
    link_buckets(order, starts, words, 0, vectors, 0.9, parents)
    assert time.process_time() - start_s < 1.5  # its 5e9 pairs would take 10 s at least
    assert len(set(roots_of(parents).tolist())) == 1


@pytest.mark.parametrize("kind", ["bfloat16", "float32", "without torch"])
def test_sides_differ_as_often_as_the_angle_says(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_planes, "has_bfloat16", lambda: kind == "bfloat16")
    monkeypatch.setattr(random_planes, "has_torch", lambda: kind != "without torch")
    first = unit(np.random.default_rng(2).normal(size=(1, 64)))
    second = unit(first + 0.05 * np.random.default_rng(4).normal(size=(1, 64)))
    sides = plane_sides(np.vstack([first, second]), range(200), 60)
    assert sides.shape == (200, 2)
    different = sum(int(a ^ b).bit_count() for a, b in sides)
    angle = math.acos(float((first @ second.T)[0, 0]))
    share, trials = angle / math.pi, 200 * 60
    deviation = math.sqrt(share * (1 - share) / trials)
    assert abs(different / trials - share) < 4 * deviation + 2 * random_planes.BFLOAT16_ROUNDING
    assert (plane_sides(np.vstack([first, second]), [7, 3], 60) == sides[[7, 3]]).all()


def test_buckets_hold_the_rows_by_their_hash() -> None:
    hashes = np.random.default_rng(0).integers(0, 16, 100).astype(np.uint64)
    rows = np.arange(0, 100, 3)
    starts, order = np.empty(17, np.int64), np.empty(len(rows), np.int64)
    sort_into_buckets(hashes, rows, starts, order)
    assert (starts[0], starts[-1]) == (0, len(rows))
    assert (order == rows[np.argsort(hashes[rows], kind="stable")]).all()
    assert (np.diff(starts) == np.bincount(hashes[rows].astype(int), minlength=16)).all()
