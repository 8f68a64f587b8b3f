"""Keep probabilities and counts on Arrow lists."""

import numpy as np
import pyarrow as pa
import pytest

from udfs.balancing import EntryCounter, keep_probability


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
