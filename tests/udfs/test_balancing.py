"""Keep probabilities and counts on Arrow lists."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from udfs.balancing import EntryCounter, SmallestDraws, keep_probability
from udfs.task_errors import TaskInputError


def test_keep_probability_is_one_minus_the_product_of_misses() -> None:
    lists = pa.array([[0, 1], [2], []], pa.list_(pa.int32()))
    kept = keep_probability(lists, np.array([0.5, 0.25, 0.1]))
    assert kept == pytest.approx([1 - 0.5 * 0.75, 0.1, 0.0], abs=1e-15)


def test_keep_probability_of_a_slice_with_null_and_empty_lists() -> None:
    lists = pa.array([[9], [], None, [0], [0, 0]], pa.list_(pa.int32())).slice(1)
    kept = keep_probability(lists, np.array([0.5]))
    assert kept.tolist() == [0.0, 0.0, 0.5, 0.75]


def test_an_entry_below_t_keeps_its_captions_for_certain() -> None:
    lists = pa.array([[0, 1]], pa.list_(pa.int32()))
    assert keep_probability(lists, np.array([1.0, 1e-6])).tolist() == [1.0]


def test_counter_adds_batches_and_grows() -> None:
    counter = EntryCounter()
    for batch in ([[2], []], [[0, 2], [700]], []):
        counter.add(pa.array(batch, pa.list_(pa.int32())))
    ids, counts = counter.counts()
    assert dict(zip(ids.tolist(), counts.tolist(), strict=True)) == {0: 1, 2: 2, 700: 1}


def test_a_null_list_with_ids_below_it_holds_none() -> None:
    offsets, values = pa.array([0, 1, 3, 4], pa.int32()), pa.array([0, 7, 7, 1], pa.int32())
    mask = pa.array([False, True, False])
    lists = pa.ListArray.from_arrays(offsets, values, mask=mask)
    assert keep_probability(lists, np.array([0.5, 0.25])).tolist() == [0.5, 0.0, 0.25]
    counter = EntryCounter()
    counter.add(lists)
    assert [array.tolist() for array in counter.counts()] == [[0, 1], [1, 1]]


def test_keep_probability_is_that_of_a_loop() -> None:
    draw = np.random.default_rng(3)
    for _ in range(200):
        p = draw.random(5)
        rows = [
            None if draw.random() < 0.2 else draw.integers(0, 5, draw.integers(0, 4)).tolist()
            for _ in range(draw.integers(1, 9))
        ]
        start = int(draw.integers(0, len(rows)))
        lists = pa.array(rows, pa.list_(pa.int32())).slice(start)
        expected = [1 - np.prod([1 - p[i] for i in ids or []]) for ids in rows[start:]]
        assert keep_probability(lists, p) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ([0, -1], "found -1, expected ids of entries, 0 or more"),
        ([3, 0], "found 3, but there are 2 entries, 0 to 1"),
        ([None], "a list holds a null"),
    ],
)
def test_an_id_of_no_entry_is_named(ids: list[int | None], told: str) -> None:
    lists = pa.array([[0], ids], pa.list_(pa.int32()))
    with pytest.raises(TaskInputError, match=told):
        keep_probability(lists, np.array([0.5, 0.5]))
    if ids[0] != 3:  # which only a bank of two entries has not
        with pytest.raises(TaskInputError, match=told):
            EntryCounter().add(lists)


@pytest.mark.parametrize("seed", range(12))
def test_the_smallest_draws_are_those_of_a_sort_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_entries, n = 9, 400
    wanted = rng.integers(0, (2, 12, 60)[seed % 3], n_entries)
    lists = [sorted(rng.choice(n_entries, rng.integers(0, 4))) for _ in range(n)]
    draws = rng.integers(0, (5, 300, 2**50)[seed % 3], n) / 2**50  # few draws: many ties
    uids = [f"u{k}" for k in rng.integers(0, n, n)]
    smallest = SmallestDraws(wanted, least=(1, 7, 1_000)[seed % 3])
    bounds = sorted({0, n, *rng.integers(0, n, 15)})
    for start, end in pairwise(bounds):
        smallest.add(
            pa.array(lists[start:end], pa.list_(pa.int32())),
            pa.array(draws[start:end]),
            pa.array(uids[start:end], pa.string()),
        )
    matches = [
        (entry, draw, uid)
        for entries, draw, uid in zip(lists, draws, uids, strict=True)
        for entry in entries
    ]
    expected = [
        match
        for entry in range(n_entries)
        for match in sorted(m for m in matches if m[0] == entry)[: wanted[entry]]
    ]
    found = smallest.rows()
    assert list(zip(*(found[c].to_pylist() for c in ("entry_id", "draw", "uid")), strict=True)) == (
        expected
    )


def test_no_more_candidates_are_held_than_twice_what_stays_and_a_batch() -> None:
    rng = np.random.default_rng(0)
    wanted = np.array([3, 0, 50])
    smallest = SmallestDraws(wanted, least=10)
    for _ in range(40):
        ids = pa.array([[0, 1, 2]] * 100, pa.list_(pa.int32()))
        smallest.add(ids, pa.array(rng.random(100)), pa.array(["u"] * 100))
        assert smallest.n_candidates <= 2 * wanted.sum() + 200
    assert smallest.rows().num_rows == 53


def test_without_a_batch_there_are_no_smallest_draws() -> None:
    assert SmallestDraws(np.array([1, 2])).rows().num_rows == 0


def test_an_id_beyond_the_largest_bank_takes_no_memory() -> None:
    largest_id = pa.array([[0], [2**31 - 1]], pa.list_(pa.int32()))
    with pytest.raises(TaskInputError, match="found 2147483647, expected ids of entries, fewer"):
        EntryCounter().add(largest_id)
