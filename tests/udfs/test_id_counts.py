"""Packed counts by id, against a plain Counter."""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs import id_counts
from udfs.id_counts import (
    IdPacker,
    Kind,
    pack_counts,
    pack_ids,
    sum_packed,
)

# Any 64 bits; near one another, since entry ids are; and often the same.
IDS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 40), st.just(-1))


def int64(values: Iterable[int]) -> np.ndarray:
    return np.array(list(values), np.int64)


def shuffled(batches: Iterable[pa.RecordBatch], size: int = 7) -> Iterator[pa.RecordBatch]:
    """The rows as a task gets them: by part, in batches that cut parts anywhere."""
    table = pa.Table.from_batches(list(batches))
    yield from table.sort_by("part").to_batches(max_chunksize=size)


def summed(batches: Iterable[pa.RecordBatch], *kinds: Kind) -> dict[tuple[int, int], int]:
    rows = [
        row
        for batch in sum_packed(shuffled(batches), kinds=kinds or (Kind(),))
        for row in batch.to_pylist()
    ]
    found = {(row["kind"], row["id"]): row["count"] for row in rows}
    assert len(found) == len(rows)  # each id once
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(IDS, max_size=60), min_size=1, max_size=6))
def test_ids_are_counted_over_all_tasks(tasks: list[list[int]]) -> None:
    batches = [
        packed_
        for ids in tasks
        for packed_ in pack_ids([pa.record_batch([pa.array(ids, pa.int64())], ["id"])])
    ]
    expected = Counter(id_ for ids in tasks for id_ in ids)
    if batches:
        assert summed(batches) == {(0, id_): n for id_, n in expected.items()}
        twice = {(0, id_): n for id_, n in expected.items() if n > 1}
        assert summed(batches, Kind(at_least=2)) == twice
    else:
        assert not expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(IDS, st.integers(0, 2**40), max_size=40), max_size=5))
def test_counts_are_added(tasks: list[dict[int, int]]) -> None:
    batches = [pack_counts(int64(counts), int64(counts.values())) for counts in tasks]
    expected = Counter[int]()
    for counts in tasks:
        expected.update(counts)
    if sum(batch.num_rows for batch in batches):
        found = summed(batches, Kind(at_least=0))
        assert found == {(0, id_): n for id_, n in expected.items()}


def test_a_long_task_hands_on_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_counts, "_BUFFERED_IDS", 100)
    packer = IdPacker(kind=1)
    ids = [pa.array(range(start, start + 50), pa.int64()) for start in range(0, 1_000, 50)]
    batches = [list(packer.add(some)) for some in ids]
    assert [len(handed) for handed in batches] == [0, 1] * 10
    assert list(packer.flush()) == []
    handed = [batch for some in batches for batch in some]
    assert summed(handed, Kind(), Kind()) == {(1, id_): 1 for id_ in range(1_000)}


def test_kinds_are_summed_apart_and_limited_apart() -> None:
    batches = [
        pack_counts(int64([5, 5, 6])),
        pack_counts(int64([5]), int64([9]), kind=1),
        pack_counts(int64([0]), int64([0]), kind=2),
    ]
    kinds = (Kind(at_least=2), Kind(), Kind(at_least=0))
    assert summed(batches, *kinds) == {(0, 5): 2, (1, 5): 9, (2, 0): 0}
    many = [pack_counts(int64(list(range(5_000)) * 2))]
    some = summed(many, Kind(at_least=2, most=1))
    assert len(some) == 1024  # one of each part
    assert set(some.values()) == {2}


def test_ids_next_to_each_other_fill_the_parts_evenly() -> None:
    sizes = [len(blob) for blob in pack_counts(int64(range(100_000)))["ids"].to_pylist()]
    assert len(sizes) == 1024
    assert max(sizes) < 1.2 * np.mean(sizes)
