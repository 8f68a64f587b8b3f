"""What balancing does with a task's batches."""

import numpy as np
import pyarrow as pa
import pytest

from udfs.balance_matches import add_keep_probability, keep_by_draw, lowest_draws, sum_expected

IDS = pa.list_(pa.int32())


def matches(entry_ids: list[list[int] | None], **columns: list) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"entry_ids": pa.array(entry_ids, IDS), **columns})


def test_keep_probability_is_added_to_each_row() -> None:
    add = add_keep_probability(np.array([0.5, 0.25]), probability="p")
    [batch] = add([matches([[0, 1], [], None, [1]])])
    assert batch.schema.names == ["entry_ids", "p"]
    assert batch["p"].to_pylist() == [1 - 0.5 * 0.75, 0.0, 0.0, 0.25]


def test_rows_are_kept_whose_draw_is_below_their_probability() -> None:
    batch = matches([[0], [0], [], [1]], d=[0.49, 0.5, 0.0, 0.99], uid=["a", "b", "c", "d"])
    [kept] = keep_by_draw(np.array([0.5, 1.0]), draw="d")([batch])
    assert kept.to_pydict() == {"entry_ids": [[0], [1]], "uid": ["a", "d"]}


NAMES = ["t", "rows", "matches", "bytes", "won"]


def test_expected_sums_over_the_batches_of_a_task() -> None:
    probabilities = {1: np.array([0.5, 0.25]), 4: np.array([1.0, 1.0])}
    summing = sum_expected(probabilities, n_rows="n", n_bytes="size", names=NAMES)
    [sums] = summing([matches([[0, 1], []]), matches([[0], None])])
    assert sums.to_pydict() == {
        "t": [1, 4],
        "rows": [0.625 + 0.5, 2.0],
        "matches": [2 * 0.625 + 0.5, 3.0],
        "bytes": [0.0, 0.0],
        "won": [0.5 + 0.25 + 0.5, 3.0],
    }


def test_a_record_stands_for_its_captions_and_none_has_no_matches() -> None:
    batch = matches([[0], [0]], n=[3, 0], size=[70, 0])
    summing = sum_expected({2: np.array([0.5])}, n_rows="n", n_bytes="size", names=NAMES)
    [sums] = summing([batch])
    assert sums.to_pylist() == [{"t": 2, "rows": 1.5, "matches": 0.5, "bytes": 35.0, "won": 1.0}]


def test_nothing_is_expected_of_no_batches() -> None:
    [sums] = sum_expected({2: np.array([0.5])}, n_rows="n", n_bytes="b", names=NAMES)([])
    assert sums.to_pylist() == [dict(zip(NAMES, [2, 0.0, 0.0, 0.0, 0.0], strict=True))]


def test_lowest_draws_of_each_entry_over_all_batches() -> None:
    batches = [
        matches([[0, 1], [0]], draw=[0.5, 0.25], uid=["a", "b"]),
        matches([[0], [1, 2]], draw=[0.75, 0.125], uid=["c", "d"]),
    ]
    select = lowest_draws(np.array([2, 1, 0]), draw="draw", uid="uid", missing="missing")
    rows = pa.Table.from_batches(select(batches)).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (0, 0.25, "b", 2),
        (0, 0.5, "a", 2),
        (1, 0.125, "d", 1),
    ]


def test_order_of_batches_does_not_change_the_lowest_draws() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 4, (300, 2)).tolist()
    draws, uids = rng.random(300).tolist(), [f"u{k}" for k in range(300)]
    batches = [
        matches(ids[k : k + 50], draw=draws[k : k + 50], uid=uids[k : k + 50])
        for k in range(0, 300, 50)
    ]
    select = lowest_draws(np.array([3, 0, 9, 1]), draw="draw", uid="uid", missing="missing")
    tables = [pa.Table.from_batches(select(order)) for order in (batches, batches[::-1])]
    assert tables[0].equals(tables[1])
    assert tables[0].num_rows == 13


def test_an_id_of_no_entry_is_refused() -> None:
    with pytest.raises(ValueError, match="found 7, but there are 2 entries"):
        list(add_keep_probability(np.array([0.5, 0.25]), probability="p")([matches([[7]])]))
