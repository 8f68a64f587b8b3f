"""What is replaced in open_clip's trainer while it runs, and how samples that it drops are counted.

Its loader and loop stay its own: names that its modules look up at each call get values that
count, draw and seed. A version of open_clip without one of the names is refused.
"""

import inspect
import logging
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from udfs.clip_training.captions import with_caption_of_pass
from udfs.clip_training.sample_order import (
    PASS,
    SampleOrder,
    seed_everything,
    seed_of,
    with_passes,
)
from udfs.clip_training.scalars import ScalarWriter
from udfs.training_runs import read_json, write_json

LOADER_NAMES = (
    *("tar_file_expander", "tarfile_to_samples_nothrow", "filter_no_caption_or_no_image"),
    *("log_and_continue", "detshuffle2", "_shuffle", "SharedEpoch", "wds"),
    "random",
)
TRAINER_NAMES = (
    *("main", "parse_args", "setup_logging", "tensorboard", "train_one_epoch", "random"),
)
_SEEN = "seen"  # folder of what each process has seen in each epoch


class HookError(Exception):
    """open_clip's trainer is not as it is known; one line."""


class UnreadableShardsError(Exception):
    """The shards gave fewer samples than a part of the training takes; one line."""


@dataclass(frozen=True)
class Dropped:
    """Samples, and shards from some place on, that the loader passed over, at each reading.

    without_pair: samples without a text or an image of a format that it takes.
    """

    broken_images: int = 0
    without_pair: int = 0
    broken_shards: int = 0

    def __add__(self, other: "Dropped") -> "Dropped":
        return Dropped(
            self.broken_images + other.broken_images,
            self.without_pair + other.without_pair,
            self.broken_shards + other.broken_shards,
        )


class DropCounter:
    """Counts of a process and its loader workers, which are forked from it."""

    def __init__(self) -> None:
        self._counts: Any = multiprocessing.get_context("fork").Array("q", 3)

    def add(self, place: int) -> None:
        """Count one more, in the order of the fields of Dropped."""
        with self._counts.get_lock():
            self._counts[place] += 1

    def take(self) -> Dropped:
        """The counts since the last call."""
        with self._counts.get_lock():
            dropped = Dropped(*self._counts[:])
            self._counts[:] = [0, 0, 0]
        return dropped


@dataclass(frozen=True)
class Hooks:
    """What the trainer is given: see `install`.

    folder: where counts and scalars go. steps: batches of this process in an epoch.
    """

    folder: Path
    order: SampleOrder
    seed: int
    rank: int
    scalars: Callable[[], ScalarWriter]

    def install(self, trainer: ModuleType, loader: ModuleType) -> None:
        """Put everything into open_clip_train.main and open_clip_train.data; HookError if new."""
        for module, names in ((trainer, TRAINER_NAMES), (loader, LOADER_NAMES)):
            for name in names:
                if not hasattr(module, name):
                    raise HookError(
                        f"open_clip's trainer is not as that of open_clip_torch 3.3, which "
                        f"train-clip knows: {module.__name__} has no {name}"
                    )
        dropped = DropCounter()
        self._install_in_loader(loader, dropped)
        trainer.train_one_epoch = self._epoch_trainer(trainer, dropped)  # type: ignore[attr-defined]
        trainer.tensorboard = SimpleNamespace(SummaryWriter=lambda _path: self.scalars())  # type: ignore[attr-defined]
        trainer.setup_logging = _only_to_files(trainer.setup_logging)  # type: ignore[attr-defined]

    def _install_in_loader(self, loader: Any, dropped: DropCounter) -> None:
        log = loader.log_and_continue
        is_pair = loader.filter_no_caption_or_no_image
        samples_of = loader.tarfile_to_samples_nothrow
        order, seed, shuffle = self.order, self.seed, loader._shuffle

        def broken_image(fault: Exception) -> Any:
            dropped.add(0)
            return log(fault)

        def broken_shard(fault: Exception) -> Any:
            dropped.add(2)
            return log(fault)

        def is_pair_of_pass(sample: dict[str, Any]) -> bool:
            with_caption_of_pass(sample, seed, sample[PASS])
            if is_pair(sample):
                return True
            dropped.add(1)
            return False

        class ShardOrder(loader.wds.PipelineStage):  # type: ignore[misc]
            def __init__(self, *_: Any, epoch: Any, **__: Any) -> None:
                self._epoch = epoch

            def run(self, source: Any) -> Iterator[dict[str, Any]]:
                return order.shards(source, self._epoch.get_value())

        def shuffled(bufsize: int, initial: int) -> Callable[[Any], Any]:
            return lambda samples: order.shuffled(
                samples, lambda rows, draws: shuffle(rows, bufsize, initial, draws)
            )

        # Newer versions of webdataset mark the end of a shard, which open_clip does not know.
        expander = loader.tar_file_expander
        if "eof_value" in inspect.signature(expander).parameters:
            loader.tar_file_expander = partial(expander, eof_value=None)
        loader.tarfile_to_samples_nothrow = lambda source: with_passes(
            source, partial(samples_of, handler=broken_shard)
        )
        loader.log_and_continue = broken_image
        loader.filter_no_caption_or_no_image = is_pair_of_pass
        loader.detshuffle2 = ShardOrder
        loader.wds.shuffle = shuffled

    def _epoch_trainer(self, trainer: Any, dropped: DropCounter) -> Callable[..., Any]:
        train_one_epoch = trainer.train_one_epoch

        def train(model: Any, data: Any, loss: Any, epoch: int, *rest: Any, **named: Any) -> Any:
            seed_everything(seed_of(self.seed, self.rank, epoch), trainer.random)
            part = data["train"]
            counted = CountedLoader(part.dataloader)
            part.dataloader = counted
            try:
                done = train_one_epoch(model, data, loss, epoch, *rest, **named)
            finally:
                part.dataloader = counted.loader
            lost = dropped.take()
            if counted.n_batches < counted.loader.num_batches:
                raise _unreadable(epoch, counted, lost)
            write_json(self.folder / _SEEN / f"{epoch}_{self.rank}.json", asdict(lost))
            return done

        return train


class CountedLoader:
    """The trainer's loader, and how many batches it has given."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.n_batches = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            self.n_batches += 1
            yield batch


def _unreadable(epoch: int, counted: CountedLoader, lost: Dropped) -> UnreadableShardsError:
    return UnreadableShardsError(
        f"the shards gave {counted.n_batches:,} of the {counted.loader.num_batches:,} batches of "
        f"part {epoch + 1}: {lost.broken_images:,} images cannot be decoded, {lost.without_pair:,} "
        f"samples have no text or no jpg, png or webp, {lost.broken_shards:,} times a shard broke "
        "off; give other shards, or fewer --loader-workers"
    )


def read_dropped(folder: Path) -> Dropped:
    """What all processes have passed over in all epochs."""
    files = sorted((folder / _SEEN).glob("*_*.json"))
    return sum((Dropped(**read_json(file)) for file in files), Dropped())


def _only_to_files(setup_logging: Callable[..., None]) -> Callable[..., None]:
    """The trainer's logging without that to the terminal, which has a bar of progress."""

    def set_up(*arguments: Any, **named: Any) -> None:
        setup_logging(*arguments, **named)
        for handler in [*logging.root.handlers]:
            if not isinstance(handler, logging.FileHandler):
                logging.root.removeHandler(handler)
        logging.root.addHandler(logging.NullHandler())  # without any, logging makes a new one

    return set_up
