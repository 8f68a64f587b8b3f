"""In which order shards and samples come, and that a pass has each once."""

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from udfs.clip_training.sample_order import (
    IS_BEYOND,
    PASS,
    URL,
    SampleOrder,
    shard_order,
    shards_in_passes,
    with_passes,
)


def order(samples_per_epoch: int, *, rows: int = 40, in_passes: bool = True) -> SampleOrder:
    return SampleOrder(
        rows=rows,
        samples_per_epoch=samples_per_epoch,
        in_passes=in_passes,
        seed=3,
        rank=0,
        standard_draws=random,
    )


def numbers(shards: Iterator[Any], n: int) -> list[tuple[str, int]]:
    return [(entry[URL], entry[PASS]) for entry in itertools.islice(shards, n)]


SHARDS = [{URL: f"s{k}"} for k in range(10)]  # of 4 rows each


def test_a_pass_has_each_shard_once_and_its_own_order() -> None:
    names = [entry[URL] for entry in SHARDS]
    passes = [shard_order(names, 0, number) for number in range(20)]
    assert all(sorted(each) == names for each in passes)
    assert len(set(map(tuple, passes))) == 20
    assert passes != [shard_order(names, 1, number) for number in range(20)]
    whole = [*shards_in_passes(names, 0, 0, 5)]
    for start in range(40):
        assert [*shards_in_passes(names, 0, start, 5 - start // 10)] == whole[start:]


def test_epochs_are_passes() -> None:
    passes = [numbers(order(48, in_passes=False).shards(SHARDS, epoch), 10) for epoch in range(3)]
    for number, each in enumerate(passes):
        assert sorted(each) == [(f"s{k}", number) for k in range(10)]


@pytest.mark.parametrize("samples_per_epoch", [4, 12, 28, 40, 96])
def test_parts_go_on_where_the_last_one_ended(samples_per_epoch: int) -> None:
    """Parts of whole shards, joined, are the passes one after another."""
    of_part = samples_per_epoch // 4
    parts = [numbers(order(samples_per_epoch).shards(SHARDS, epoch), of_part) for epoch in range(7)]
    joined = [entry for part in parts for entry in part]
    whole = itertools.islice(shards_in_passes([f"s{k}" for k in range(10)], 3, 0, 99), len(joined))
    assert joined == [*whole]
    assert max(Counter(joined).values()) == 1


def of_shards(source: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """As webdataset groups files: a shard's last sample comes once the next shard was asked for."""
    last = None
    for entry in source:
        for k in range(3):
            if last is not None:
                yield last
            last = {"__url__": entry[URL], "__key__": f"{entry[URL]}-{k}"}
    if last is not None:
        yield last


def test_each_sample_has_the_pass_in_which_its_shard_was_read() -> None:
    for n_shards in (1, 2, 5):
        entries = [{URL: f"s{k}", PASS: n} for n in range(4) for k in range(n_shards)]
        samples = [*with_passes(entries, of_shards)]
        expected = [(f"s{k}-{j}", n) for n in range(4) for k in range(n_shards) for j in range(3)]
        assert [(sample["__key__"], sample[PASS]) for sample in samples] == expected


def test_samples_are_shuffled_within_their_pass() -> None:
    samples = [
        {"__key__": k, PASS: number, IS_BEYOND: False} for number in range(3) for k in range(30)
    ]

    def shuffle(rows: Iterator[Any], draws: Any) -> Iterator[Any]:
        rows_ = [*rows]
        draws.shuffle(rows_)
        return iter(rows_)

    def shuffled(epoch: int) -> list[tuple[int, int]]:
        each = order(40)
        each.shards(SHARDS, epoch)
        return [(row[PASS], row["__key__"]) for row in each.shuffled(samples, shuffle)]

    first = shuffled(0)
    assert [number for number, _ in first] == [number for number in range(3) for _ in range(30)]
    assert sorted(first) == [(number, k) for number in range(3) for k in range(30)] != first
    assert first == shuffled(0) != shuffled(1)
