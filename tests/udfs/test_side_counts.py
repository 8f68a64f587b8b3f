"""Matches counted by side and entry."""

from functools import partial

import pyarrow as pa

from udfs.side_counts import count_entries_by_side


def test_entries_are_counted_on_each_side_over_batches() -> None:
    ids = pa.array([[0, 3], [3], [], None, [0]], pa.list_(pa.int32()))
    batch = pa.RecordBatch.from_pydict({"side": ["a", "b", "a", "b", "a"], "entry_ids": ids})
    count = partial(count_entries_by_side, sides=("both", "a", "b"), names=["side", "id", "n"])
    rows = pa.Table.from_batches(count([batch, batch])).to_pylist()
    assert [tuple(row.values()) for row in rows] == [("a", 0, 4), ("a", 3, 2), ("b", 3, 2)]
