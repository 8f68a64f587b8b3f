"""Petastorm's rows, counted: each once an epoch, and nothing that it would change in silence."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.udfs.training.conftest import make, rows_of
from udfs.training.faults import SnapshotError
from udfs.training.loader import Loader
from udfs.training.petastorm_batches import PetastormBatches
from udfs.training.snapshot import Snapshot, open_snapshot
from udfs.training.snapshot_files import write_snapshot

pytest.importorskip("petastorm")


def uids_of(batches: Any) -> list[list[str]]:
    return [batch["uid"].tolist() for batch in batches]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Seven row groups in two files."""
    return make(tmp_path_factory.mktemp("small"), 43, 17)


@pytest.mark.parametrize(("world_size", "n_workers"), [(1, 1), (2, 1), (1, 3), (3, 2)])
def test_each_row_comes_once(small: Snapshot, world_size: int, n_workers: int) -> None:
    seen: list[str] = []
    for rank in range(world_size):
        batches = PetastormBatches(small, columns=["uid"], rank=rank, world_size=world_size)
        n_batches = 0
        for worker in range(n_workers):
            parts = uids_of(batches.of_worker(1, worker=worker, n_workers=n_workers))
            seen += itertools.chain(*parts)
            n_batches += len(parts)
        assert n_batches == batches.n_batches(1, n_workers)
    assert sorted(seen) == sorted(f"{f}-{n}" for f, rows in ((0, 43), (1, 17)) for n in range(rows))


def test_files_are_not_opened_by_python(small: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are, one program in twenty aborts at its end; see `_native_files`."""
    from pyarrow.filesystem import LocalFileSystem

    monkeypatch.setattr(LocalFileSystem, "open", None)
    batches = PetastormBatches(small, columns=["uid"])
    assert len([*itertools.chain(*uids_of(batches.of_worker(0)))]) == small.rows


def test_goes_on_in_the_middle_of_an_epoch_of_its_own_order(small: Snapshot) -> None:
    def loader() -> Loader:
        return Loader(PetastormBatches(small, columns=["uid"]), 2)

    first = loader()
    whole = uids_of(first)
    assert uids_of(first) != whole  # the next epoch
    first.set_epoch(0)
    begun = iter(first)
    assert [next(begun)["uid"].tolist() for _ in range(3)] == whole[:3]
    second = loader()
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert uids_of(second) == whole[3:]
    other = Loader(PetastormBatches(small, columns=["uid"]), 1)
    with pytest.raises(SnapshotError, match="num_workers is 2, expected 1"):
        other.load_state_dict(first.state_dict())


@pytest.mark.slow
def test_its_pool_of_processes_gives_the_same(small: Snapshot) -> None:
    by_process = Loader(PetastormBatches(small, columns=["uid"], pool="process"))
    assert uids_of(by_process) == uids_of(Loader(PetastormBatches(small, columns=["uid"])))


def test_its_threads_are_not_to_be_had(small: Snapshot) -> None:
    with pytest.raises(SnapshotError, match="threads lose row groups"):
        PetastormBatches(small, pool="thread")  # type: ignore[arg-type]


def test_too_few_row_groups(small: Snapshot) -> None:
    batches = PetastormBatches(small, world_size=4)
    with pytest.raises(SnapshotError, match="7 row groups for 8 workers of all ranks"):
        next(batches.of_worker(0, n_workers=2))


def test_rows_that_petastorm_loses_stop_the_run(
    small: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    import petastorm

    class Losing:
        def __init__(self, reader: Any) -> None:
            self._reader = reader

        def __iter__(self) -> Any:
            return itertools.islice(self._reader, 6)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._reader, name)

    make_reader = petastorm.make_batch_reader
    monkeypatch.setattr(
        petastorm, "make_batch_reader", lambda *a, **k: Losing(make_reader(*a, **k))
    )
    with pytest.raises(SnapshotError, match=r"petastorm gave \d\d rows in epoch 0, expected 60"):
        [*Loader(PetastormBatches(small))]


def test_a_changed_file_stops_the_run(small: Snapshot, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(small.location, folder)
    copy = open_snapshot(str(folder))
    shutil.copy(folder / "data" / "rows-00001.parquet", folder / "data" / "rows-00000.parquet")
    with pytest.raises(SnapshotError, match=r"rows-00000.parquet: is not the file"):
        [*Loader(PetastormBatches(copy))]


def test_values_that_it_would_change_are_refused(tmp_path: Path) -> None:
    rows = rows_of(4, 0)
    odd = {
        "caption": pa.array(["a", None, "b", ""]),  # it makes the text None of null
        "size": pa.array([{"w": 1}] * 4),  # and leaves structs out
        "ids": pa.array([[1], [2, 3], [], [4]]),
        "score": pa.array([0.5, None, 1.0, 2.0]),
        "null_ids": pa.array([[1], None, [2], [3]]),
        "null_items": pa.array([[1], [None], [2**53 + 1], [3]]),
        "boxes": pa.array([[[1]]] * 4),
        **dict.fromkeys(("class", "_x", "width-px"), pa.array([1] * 4)),
    }
    table = pa.table({"uid": rows["uid"], **odd})
    write_snapshot(str(tmp_path), [table], row_group_rows=10)
    snapshot = open_snapshot(str(tmp_path))
    with pytest.raises(SnapshotError, match="'caption': 1 values are null"):
        PetastormBatches(snapshot, columns=["uid", "caption"])
    with pytest.raises(
        SnapshotError, match="'size' is struct<w: int64>, which petastorm leaves out"
    ):
        PetastormBatches(snapshot, columns=["size"])
    for name in ("null_ids", "null_items"):
        with pytest.raises(SnapshotError, match=f"'{name}': 1 values are null"):
            PetastormBatches(snapshot, columns=[name])
    with pytest.raises(SnapshotError, match=r"'boxes' is list<.*, which petastorm leaves out"):
        PetastormBatches(snapshot, columns=["boxes"])
    for name in ("class", "_x", "width-px"):
        with pytest.raises(SnapshotError, match=r"takes names of Python's variables"):
            PetastormBatches(snapshot, columns=[name])
    with pytest.raises(SnapshotError, match=r"ids.* expected to be the same length"):
        [*Loader(PetastormBatches(snapshot, columns=["uid", "ids"]))]
    (batch,) = Loader(PetastormBatches(snapshot, columns=["score"], shuffle=False))
    assert batch["score"].tolist()[2:] == [1.0, 2.0]
