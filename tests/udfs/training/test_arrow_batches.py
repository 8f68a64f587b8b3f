"""Each row once an epoch, whoever reads it; the same batches whatever the number of workers."""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.udfs.training.conftest import FILES, make
from udfs.training.arrow_batches import ArrowBatches
from udfs.training.epoch_order import Reading, rank_epoch
from udfs.training.faults import SnapshotError
from udfs.training.loader import Loader
from udfs.training.permutations import permutation
from udfs.training.snapshot import Snapshot


def uids_of(batches: Iterable[pa.RecordBatch]) -> list[list[str]]:
    return [batch.column("uid").to_pylist() for batch in batches]


def flat(batches: Iterable[list[str]]) -> list[str]:
    return [uid for batch in batches for uid in batch]


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_row_comes_once_for_any_ranks_and_workers(
    snapshot: Snapshot, uids: list[str], shuffle: bool
) -> None:
    sizes = itertools.product((1, 2, 3, 5), (1, 2, 3, 4), (2, 7, 300))
    for number, (world_size, n_workers, batch_size) in enumerate(sizes):
        epoch = number % 3
        by_rank = []
        for rank in range(world_size):
            batches = ArrowBatches(
                snapshot,
                **{"columns": ["uid"], "batch_size": batch_size, "window_rows": 25},
                **{"rank": rank, "world_size": world_size, "shuffle": shuffle, "lanes": 4},
            )
            parts = [
                uids_of(batches.of_worker(epoch, worker=worker, n_workers=n_workers))
                for worker in range(n_workers)
            ]
            in_turn = [part[n] for n in range(len(parts[0])) for part in parts if n < len(part)]
            assert len(in_turn) == batches.n_batches(epoch, n_workers)
            assert {*map(len, in_turn[:-1])} <= {batch_size}
            assert in_turn == uids_of(batches.of_worker(epoch))  # as one worker gives them
            by_rank.append(flat(in_turn))
        assert sorted(flat(by_rank)) == uids
        assert max(map(len, by_rank)) - min(map(len, by_rank)) <= 1


def test_more_ranks_than_rows(tmp_path: Path) -> None:
    few = make(tmp_path / "few", 3)
    ranks = [ArrowBatches(few, rank=rank, world_size=5) for rank in range(5)]
    assert sorted(flat(flat(uids_of(ranks_.of_worker(0)) for ranks_ in ranks))) == [
        *("0-0", "0-1", "0-2")
    ]
    assert [*ArrowBatches(make(tmp_path / "none", 0)).of_worker(0)] == []


def test_windows_of_lanes_cover_the_rows_of_a_rank(snapshot: Snapshot) -> None:
    """Held against a list of all rows in the order of the shuffled row groups."""
    groups = snapshot.row_groups
    for rank, batch_size, lanes in itertools.product(range(3), (4, 9), (1, 2, 8)):
        reading = Reading(5, True, rank, 3, batch_size, lanes, 25, False)
        plan = rank_epoch(groups, reading, 2)
        line = [(int(g), row) for g in plan.order for row in range(int(groups.rows[g]))]
        expected = line[rank * 203 // 3 : (rank + 1) * 203 // 3]
        segments = [s for lane in range(lanes) for w in plan.windows(lane) for s in w.segments]
        assert [(s.row_group, row) for s in segments for row in range(s.start, s.stop)] == expected


def test_order_is_of_seed_and_epoch(snapshot: Snapshot) -> None:
    orders = {
        (seed, epoch): tuple(flat(uids_of(ArrowBatches(snapshot, seed=seed).of_worker(epoch))))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(set(orders.values())) == 4
    again = tuple(flat(uids_of(ArrowBatches(snapshot, seed=1).of_worker(1))))
    assert orders[1, 1] == again
    in_order = flat(uids_of(ArrowBatches(snapshot, shuffle=False).of_worker(3)))
    assert in_order == [f"{file}-{row}" for file, n in enumerate(FILES) for row in range(n)]


def test_permutation_is_fixed() -> None:
    """By splitmix64 alone, so that no version of numpy changes where a state goes on."""
    assert permutation(8, 1, 2).tolist() == PERMUTATION
    assert sorted(permutation(1000, 3).tolist()) == [*range(1000)]


PERMUTATION = [3, 4, 1, 5, 2, 7, 6, 0]


@pytest.mark.parametrize("num_workers", [0, 3])
def test_goes_on_in_the_middle_of_an_epoch(snapshot: Snapshot, num_workers: int) -> None:
    def loader(workers: int) -> Loader:
        return Loader(ArrowBatches(snapshot, batch_size=7, window_rows=25), workers)

    whole = [*uids_of(loader(0)), *uids_of(epoch_of(loader(0), 1))]
    first = loader(num_workers)
    begun = iter(first)
    seen = [next(begun).column("uid").to_pylist() for _ in range(5)]
    state = json.loads(json.dumps(first.state_dict()))
    second = loader(2 if num_workers else 0)
    second.load_state_dict(state)
    assert second.state_dict() == state
    rest = uids_of(second)
    assert second.epoch == 1
    assert seen + rest + uids_of(second) == whole


def epoch_of(loader: Loader, epoch: int) -> Loader:
    loader.set_epoch(epoch)
    return loader


def test_iterating_anew_begins_the_epoch_anew(snapshot: Snapshot) -> None:
    loader = Loader(ArrowBatches(snapshot, batch_size=7))
    first = next(iter(loader)).column("uid").to_pylist()
    assert next(iter(loader)).column("uid").to_pylist() == first
    assert len(loader) == 29


def test_drop_last_gives_all_ranks_equally_many_whole_batches(snapshot: Snapshot) -> None:
    by_rank = [
        uids_of(
            ArrowBatches(snapshot, batch_size=8, rank=rank, world_size=3, drop_last=True).of_worker(
                0
            )
        )
        for rank in range(3)
    ]
    assert [*map(len, by_rank)] == [8, 8, 8]  # 203 rows: 67 a rank
    rows = flat(flat(by_rank))
    assert {*map(len, flat(by_rank))} == {8}
    assert len({*rows}) == len(rows)


def test_transform_takes_the_place_of_a_batch(snapshot: Snapshot) -> None:
    batches = ArrowBatches(snapshot, batch_size=50, transform=lambda batch: batch.num_rows)
    assert [*Loader(batches)] == [50, 50, 50, 50, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ["url"]}, "no column 'url'; it has uid, caption, n"),
        ({"columns": []}, "columns: none"),
        ({"batch_size": 0}, "batch_size: 0, expected a whole number of at least 1"),
        ({"rank": 2, "world_size": 2}, "rank: 2, expected less than world_size, 2"),
        ({"lanes": 1.5}, "lanes: 1.5"),
    ],
)
def test_unfit_arguments(snapshot: Snapshot, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        ArrowBatches(snapshot, **arguments)


@pytest.mark.parametrize("option", ["in_order", "batch_size", "shuffle", "drop_last"])
def test_a_loader_leaves_the_batches_as_they_are(snapshot: Snapshot, option: str) -> None:
    """With in_order=False a state would count batches that had not come."""
    with pytest.raises(SnapshotError, match=f"{option}: is decided by the batches"):
        Loader(ArrowBatches(snapshot), num_workers=2, **{option: False})


def test_states_of_other_batches_are_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    state = Loader(ArrowBatches(snapshot, seed=1)).state_dict()
    with pytest.raises(SnapshotError, match="seed is 1, expected 0"):
        Loader(ArrowBatches(snapshot)).load_state_dict(state)
    with pytest.raises(SnapshotError, match="snapshot is"):
        Loader(ArrowBatches(make(tmp_path, 4), seed=1)).load_state_dict(state)
    with pytest.raises(SnapshotError, match="batch: -1"):
        Loader(ArrowBatches(snapshot, seed=1)).load_state_dict({**state, "batch": -1})
