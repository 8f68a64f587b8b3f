"""open_clip's own loader with what train-clip replaces in it: rows, passes, captions and losses."""

import inspect
import itertools
import tarfile
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.udfs.clip_training.conftest import MakeShards, record_of
from udfs.clip_training.captions import drawn
from udfs.clip_training.hooks import (
    LOADER_NAMES,
    TRAINER_NAMES,
    CountedLoader,
    DropCounter,
    Dropped,
    HookError,
    Hooks,
)
from udfs.clip_training.plan import TrainingPlan, loader_workers_for
from udfs.clip_training.sample_order import SampleOrder
from udfs.clip_training.shard_list import shards_of_folder, train_data

loader = pytest.importorskip("open_clip_train.data")


class Loading:
    """Batches of open_clip's loader, each sample as its number and text."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        for name in LOADER_NAMES:
            monkeypatch.setattr(loader, name, getattr(loader, name))
        monkeypatch.setattr(loader.wds, "shuffle", loader.wds.shuffle)
        self._own = {name: getattr(loader, name) for name in LOADER_NAMES}
        self._shuffle = loader.wds.shuffle

    def open(self, paths: list[str], plan: TrainingPlan, seed: int = 0) -> Any:
        for name, value in self._own.items():
            setattr(loader, name, value)
        loader.wds.shuffle = self._shuffle
        shards = shards_of_folder(paths)
        order = SampleOrder(
            rows=sum(shard.rows for shard in shards),
            samples_per_epoch=plan.samples_per_epoch,
            in_passes=plan.in_passes,
            seed=seed,
            rank=0,
            standard_draws=loader.random,
        )
        self.dropped = DropCounter()
        hooks = Hooks(Path(), order, seed, 0, lambda: None)  # type: ignore[arg-type,return-value]
        hooks._install_in_loader(loader, self.dropped)
        args = Namespace(
            train_data=train_data(shards), train_num_samples=plan.samples, seed=seed,
            train_data_upsampling_factors=None, batch_size=plan.batch_size,
            workers=plan.loader_workers, world_size=1, dataset_resampled=False,
        )  # fmt: skip
        self.info = loader.get_wds_dataset(
            args,
            lambda image: np.asarray(image)[0, 0].astype(np.int64),
            is_train=True,
            tokenizer=lambda text: [np.frombuffer(text.encode().ljust(16), np.uint8)],
        )
        return self.info

    def texts(self, epoch: int) -> list[str]:
        self.info.set_epoch(epoch)
        return [
            bytes(text.tolist()).decode().strip()
            for _, texts in self.info.dataloader
            for text in texts
        ]


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch) -> Loading:
    return Loading(monkeypatch)


def test_open_clip_has_what_is_replaced() -> None:
    """Names that its modules look up at each call, and how they call them."""
    source = inspect.getsource(loader.get_wds_dataset)
    for call in (
        *("detshuffle2(", "bufsize=", "initial=", "epoch=shared_epoch", "wds.shuffle("),
        *("tarfile_to_samples_nothrow,", "wds.select(filter_no_caption_or_no_image)"),
        'wds.decode("pilrgb", handler=log_and_continue)',
    ):
        assert call in source
    assert "tar_file_expander(streams" in inspect.getsource(loader.tarfile_to_samples_nothrow)
    assert [*inspect.signature(loader._shuffle).parameters][:4] == [
        *("data", "bufsize", "initial", "rng"),
    ]
    from open_clip_train import main as trainer

    assert all(hasattr(trainer, name) for name in TRAINER_NAMES)
    source = inspect.getsource(trainer.main)
    for call in (
        *("train_one_epoch(model, data, loss, epoch,", "setup_logging(args.log_path"),
        *("tensorboard.SummaryWriter(args.tensorboard_path)", "parse_args(args)"),
    ):
        assert call in source


def test_another_version_of_open_clip_is_refused() -> None:
    hooks = Hooks(Path(), None, 0, 0, None)  # type: ignore[arg-type]
    with pytest.raises(HookError, match="pathlib has no main"):
        hooks.install(__import__("pathlib"), loader)


def test_batches_are_as_many_as_planned(
    loading: Loading, shard_maker: MakeShards, tmp_path: Path
) -> None:
    paths = shard_maker(tmp_path, [2] * 6)
    for samples, batch_size, workers in itertools.product((1, 7, 12, 13), (1, 2, 5), (0, 1, 4)):
        plan = TrainingPlan(samples, 1, batch_size, loader_workers=workers)
        info = loading.open(paths, plan)
        assert info.dataloader.num_batches == plan.batches_per_epoch
        assert info.dataloader.num_samples == plan.samples_per_epoch
    assert loader_workers_for(100, 100, 1) == 4
    assert loader_workers_for(7, 100, 3) == 2
    assert loader_workers_for(7, 1, 1) == 1


def test_a_pass_has_each_row_once_whatever_the_workers(
    loading: Loading, shard_maker: MakeShards, tmp_path: Path
) -> None:
    paths, numbers = shard_maker(tmp_path, [4] * 6), [f"number {k}" for k in range(24)]
    for workers in (0, 2):
        loading.open(paths, TrainingPlan(24, 3, 4, loader_workers=workers))
        epochs = [loading.texts(epoch) for epoch in range(3)]
        assert all(sorted(texts) == sorted(numbers) for texts in epochs)
        assert len(set(map(tuple, epochs))) == 3
        loading.open(paths, TrainingPlan(24, 3, 4, loader_workers=workers))
        assert loading.texts(2) == epochs[2]  # as a training that goes on reads them
        loading.open(paths, TrainingPlan(24, 3, 4, loader_workers=workers), seed=1)
        assert loading.texts(2) != epochs[2]


def test_parts_of_samples_seen_take_all_rows_in_turn(
    loading: Loading, shard_maker: MakeShards, tmp_path: Path
) -> None:
    paths = shard_maker(tmp_path, [4] * 6)
    loading.open(paths, TrainingPlan(8, 6, 4, loader_workers=1, in_passes=True))
    seen = Counter(text for epoch in range(6) for text in loading.texts(epoch))
    assert set(seen.values()) == {2}
    loading.open(paths, TrainingPlan(60, 2, 4, loader_workers=1, in_passes=True))
    seen = Counter(text for epoch in range(2) for text in loading.texts(epoch))
    assert set(seen.values()) == {5}


def test_captions_are_those_of_the_draws_whatever_the_workers(
    loading: Loading, shard_maker: MakeShards, tmp_path: Path
) -> None:
    def several(k: int) -> dict[str, Any]:
        weighted = {"captions": [f"{k} {c}" for c in "abc"], "weights": [1, 0.5, 0.25]}
        return record_of(k) | (weighted if k % 3 else {})

    paths = shard_maker(tmp_path, [4] * 6, record_of=several)

    def expected(seed: int, number: int) -> list[str]:
        weights = [1, 0.5, 0.25]
        return sorted(
            f"{k} {'abc'[drawn(weights, seed, number, record_of(k)['uid'])]}"
            if k % 3
            else f"number {k}"
            for k in range(24)
        )

    for workers in (0, 2):
        loading.open(paths, TrainingPlan(24, 2, 4, loader_workers=workers), seed=5)
        for epoch in range(2):
            assert sorted(loading.texts(epoch)) == expected(5, epoch)
    assert expected(5, 0) != expected(5, 1)
    # A part of several passes draws anew in each.
    loading.open(paths, TrainingPlan(48, 1, 4, loader_workers=1, in_passes=True), seed=5)
    texts = loading.texts(0)
    assert [sorted(texts[:24]), sorted(texts[24:])] == [expected(5, 0), expected(5, 1)]


def test_what_the_loader_passes_over_is_counted(
    loading: Loading, shard_maker: MakeShards, tmp_path: Path
) -> None:
    paths = shard_maker(tmp_path, [6] * 4, broken=[3, 9, 20])
    whole = Path(paths[3]).read_bytes()
    with tarfile.open(paths[3], "a") as archive:
        archive.addfile(tarfile.TarInfo("without.txt"))
    loading.open(paths, TrainingPlan(20, 1, 1, loader_workers=0))
    assert len(loading.texts(0)) == 20  # all of one pass but the last, behind which it looks
    texts = loading.texts(1)
    assert not {"number 3", "number 9", "number 20"} & {*texts}
    loading.open(paths, TrainingPlan(21, 1, 1, loader_workers=0))
    assert sorted(loading.texts(0)[:21]) == sorted(
        f"number {k}" for k in range(24) if k not in (3, 9, 20)
    )
    dropped = loading.dropped.take()
    assert (dropped.broken_images, dropped.without_pair, dropped.broken_shards) == (3, 1, 0)
    assert loading.dropped.take() == Dropped()
    loading.open(paths, TrainingPlan(40, 1, 2, loader_workers=2))  # counted in the workers too
    loading.texts(0)
    assert loading.dropped.take().broken_images >= 3
    Path(paths[3]).write_bytes(whole[: whole.index(b"000000021.jpg") + 600])
    loading.open(paths, TrainingPlan(10, 1, 2, loader_workers=0))
    loading.texts(0)
    assert loading.dropped.take().broken_shards >= 1


def test_shards_of_which_nothing_can_be_read_end(
    loading: Loading, shard_maker: MakeShards, tmp_path: Path
) -> None:
    paths = shard_maker(tmp_path, [3] * 2, broken=range(6))
    loading.open(paths, TrainingPlan(6, 1, 2, loader_workers=1))
    counted = CountedLoader(loading.info.dataloader)
    assert [*counted] == []
    assert (counted.n_batches, counted.num_batches) == (0, 3)
