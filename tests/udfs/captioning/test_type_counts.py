"""Unique n-grams of sets, of samples, and those that one jackknife group alone has."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.udfs.captioning.packing import PACKED, TEXTS, answered_parts, texts_of
from tests.udfs.captioning.reference import grams
from udfs.captioning.draw_bits import (
    GROUPS,
    draw_bits,
    jackknife_group,
    poisson_weights,
    sample_level,
)
from udfs.captioning.nouns import NounTagger
from udfs.captioning.packed_ngrams import packed_ngrams
from udfs.captioning.type_counts import NOUNS, SEVERAL, packed_nouns


def types(
    captions: list[str], sets: list[tuple[int, int]], draws: np.ndarray, rule: Any, n_tasks: int = 2
) -> Counter[tuple[int, ...]]:
    """(set, order, level, group) -> number of types, from tasks of some of the rows each."""
    rows = texts_of(captions, [[]] * len(captions), sets=sets, draws=draws)
    packed = [
        part
        for task in range(n_tasks)
        for part in packed_ngrams(rule, TEXTS, PACKED)(
            [rows.take(pa.array(range(task, len(captions), n_tasks), pa.int64()))]
        )
    ]
    counted: Counter[tuple[int, ...]] = Counter()
    numbers = answered_parts(pa.Table.from_batches(packed))
    names = ["set", "ngram_order", "level", "jackknife", "types"]
    for row in numbers.filter(numbers["types"].is_valid()).select(names).to_pylist():
        *key, n = row.values()
        counted[tuple(key)] += n
    return counted


@pytest.mark.parametrize("n_tasks", [1, 3])
def test_types_are_those_of_python_sets(n_tasks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udfs.captioning.type_counts._PACKED_AT_ONCE", 400)
    monkeypatch.setattr("udfs.captioning.type_counts._PIECE", 50)
    generator = np.random.default_rng(0)
    words = [
        [f"w{k}" for k in generator.zipf(1.4, generator.integers(0, 9)) % 50] for _ in range(300)
    ]
    draws = generator.random(300)
    sets = [(0, -1), (0, 1)] * 150
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
        counted = types(
            captions, [(0, -1)] * len(captions), np.full(len(captions), 0.3), row.tokens
        )
        unique = [sum(n for key, n in counted.items() if key[1] == order) for order in range(1, 5)]
        assert unique == [row.unique1, row.unique2, row.unique3, row.unique4]
        checked += 1
    assert checked > 30


def test_nouns_are_types_of_their_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tagger:
        def tag(self, tokens: list[str]) -> list[tuple[str, str]]:
            return [(token, "NNS" if token[0].isupper() else "DT") for token in tokens]

    def tagged(self: NounTagger) -> None:
        self._tagger = Tagger()

    monkeypatch.setattr(NounTagger, "__init__", tagged)
    columns = {
        "caption": pa.array(["the Dog, a Cat", "a DOG and", "Mat"]),
        "draw": pa.array([0.1, 0.6, 0.7]),
        "source_set": pa.array([0, 0, 1], pa.int32()),
        "group_set": pa.array([-1, 2, -1], pa.int32()),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    pack = packed_nouns("caption", "draw", ("source_set", "group_set"))
    packed = pa.Table.from_batches(pack([batch]))
    chunks = pa.nulls(packed.num_rows, pa.int32())
    numbers = answered_parts(packed.append_column("chunk", chunks))
    counted: Counter[int] = Counter()
    for row in numbers.filter(numbers["types"].is_valid()).to_pylist():
        assert row["ngram_order"] == NOUNS
        counted[row["set"]] += row["types"]
    assert counted == {0: 2, 1: 1, 2: 1}  # dog and cat; mat; dog


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
