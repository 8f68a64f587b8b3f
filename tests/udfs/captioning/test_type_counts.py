"""Unique n-grams of sets, of samples, and those that one jackknife group alone has."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.udfs.captioning.reference import grams
from udfs.captioning.draw_bits import (
    GROUPS,
    draw_bits,
    jackknife_group,
    poisson_weights,
    sample_level,
)
from udfs.captioning.type_counts import SEVERAL, counted_types, packed_types


def types(
    captions: list[str], sets: list[list[int]], draws: np.ndarray, rule: Any, n_tasks: int = 2
) -> Counter[tuple[int, ...]]:
    """(set, order, level, group) -> number of types, from tasks of some of the rows each."""
    columns = [
        pa.array(captions, pa.string()),
        pa.array(sets, pa.list_(pa.int32())),
        pa.array(draws),
    ]
    batch = pa.RecordBatch.from_arrays(columns, ["caption", "sets", "draw"])
    packed = [
        part
        for task in range(n_tasks)
        for part in packed_types(rule)(
            [batch.take(pa.array(range(task, len(captions), n_tasks), pa.int64()))]
        )
    ]
    by_part = pa.Table.from_batches(packed).sort_by("part").to_batches()
    counted: Counter[tuple[int, ...]] = Counter()
    for rows in counted_types(by_part):
        for row in rows.to_pylist():
            *key, n = row.values()
            counted[tuple(key)] += n
    return counted


@pytest.mark.parametrize("n_tasks", [1, 3])
def test_types_are_those_of_python_sets(n_tasks: int) -> None:
    generator = np.random.default_rng(0)
    words = [
        [f"w{k}" for k in generator.zipf(1.4, generator.integers(0, 9)) % 50] for _ in range(300)
    ]
    draws = generator.random(300)
    sets = [[0], [0, 1]] * 150
    expected: Counter[tuple[int, ...]] = Counter()
    for number in (0, 1):
        for order in range(1, 5):
            places: dict[tuple[str, ...], list[int]] = {}
            for k, text in enumerate(words):
                if number in sets[k]:
                    for gram in grams(text, order):
                        places.setdefault(gram, []).append(k)
            for rows in places.values():
                groups = {int(g) for g in jackknife_group(draws[rows])}
                level = int(sample_level(draws[rows]).max())
                group = groups.pop() if len(groups) == 1 else SEVERAL
                expected[number, order, level, group] += 1
    assert types([" ".join(text) for text in words], sets, draws, "none", n_tasks) == expected


def test_diversity_is_that_of_the_case(cases: Path) -> None:
    folder = cases / "caption_metrics"
    pairs = pq.read_table(folder / "input_pairs.parquet").to_pandas()
    expected = pq.read_table(folder / "expected_diversity.parquet").to_pandas()
    checked = 0
    for row in expected.itertuples():
        if row.tokens == "lower":
            continue
        rows = pairs if row.corpus == "all" else pairs[pairs.corpus == row.corpus]
        texts = rows.hypothesis if row.texts == "hypothesis" else rows.references.explode()
        captions = [*texts]
        assert len(captions) == row.captions
        counted = types(captions, [[0]] * len(captions), np.full(len(captions), 0.3), row.tokens)
        unique = [sum(n for key, n in counted.items() if key[1] == order) for order in range(1, 5)]
        assert unique == [row.unique1, row.unique2, row.unique3, row.unique4]
        checked += 1
    assert checked > 30


def test_samples_halve_and_nest() -> None:
    draws = np.array([0.0, 2.0**-15, 0.25, np.nextafter(0.25, 0), 0.5, 0.7])
    assert sample_level(draws).tolist() == [15, 14, 1, 2, 0, 0]


def test_groups_and_weights_are_even() -> None:
    draws = np.random.default_rng(1).random(100_000)
    counts = np.bincount(jackknife_group(draws), minlength=GROUPS)
    assert counts == pytest.approx(np.full(GROUPS, 5000), abs=350)  # 5 standard deviations
    weights = poisson_weights(draw_bits(draws), 3)
    assert weights.mean(axis=0) == pytest.approx(np.ones(3), abs=0.016)
    assert weights.var(axis=0) == pytest.approx(np.ones(3), abs=0.03)
    shares = [np.mean(weights == k) for k in range(4)]
    assert shares == pytest.approx([0.3679, 0.3679, 0.1839, 0.0613], abs=0.005)
    correlation = np.corrcoef(weights.T)[np.triu_indices(3, 1)]
    assert correlation == pytest.approx(np.zeros(3), abs=0.016)
