"""Concept-aware batches held against the greedy rule said plainly, on thousands of inputs."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from udfs.training.arrow_batches import ArrowBatches
from udfs.training.concept_batches import ConceptChoice
from udfs.training.concept_choice import distinct_concepts, even_count
from udfs.training.faults import SnapshotError
from udfs.training.loader import Loader
from udfs.training.permutations import permutation
from udfs.training.snapshot import open_snapshot
from udfs.training.snapshot_files import write_snapshot


def chosen_plainly(rows: list[list[int] | None], choice: ConceptChoice) -> list[int]:
    """Each step looks at all rows that are left."""
    sets = [{*(row or ())} for row in rows]
    keep = max(1, round(choice.keep_fraction * len(rows))) if rows else 0
    rank = {row: place for place, row in enumerate(permutation(len(rows), choice.seed).tolist())}
    n_all = sum(map(len, sets))
    counts: Counter[int] = Counter()
    shares = choice.shares or {}
    n_concepts = len(set().union(*sets))
    even = max(1, -(-keep * n_all // max(len(rows) * n_concepts, 1)))

    def target(concept: int) -> float:
        """To 1/1024."""
        share = shares.get(concept, 0.0) / sum(shares.values())
        return float(np.rint(share * (keep * n_all / max(len(rows), 1)) * 1024)) / 1024

    def gain(row: int) -> float:
        if choice.by == "frequency":
            return len(sets[row])
        if choice.by == "diversity":
            up_to = choice.target_count or even
            return sum(max(0, up_to - counts[concept]) for concept in sets[row])
        before = sum((counts[c] - target(c)) ** 2 for c in sets[row])
        return before - sum((counts[c] + 1 - target(c)) ** 2 for c in sets[row])

    kept: list[int] = []
    while len(kept) < keep:
        left = [row for row in range(len(rows)) if row not in kept]
        best = max(left, key=lambda row: (round(gain(row) * 1024), -rank[row]))
        kept.append(best)
        counts.update(sets[best])
    return sorted(kept)


def made_rows(rng: np.random.Generator) -> list[list[int] | None]:
    """Up to 12 rows of up to 6 concepts, some null, some repeated, of a few or many entries."""
    n_entries = int(rng.integers(1, 15))
    return [
        None
        if rng.random() < 0.1
        else (rng.integers(0, n_entries, rng.integers(0, 7)) * 7).tolist()
        for _ in range(rng.integers(0, 13))
    ]


@pytest.mark.parametrize("by", ["diversity", "frequency", "target"])
def test_rows_are_those_of_the_plain_rule(by: Any) -> None:
    rng = np.random.default_rng(0)
    for number in range(1500):
        rows = made_rows(rng)
        options: dict[str, Any] = {}
        if by == "diversity" and number % 2:
            options["target_count"] = int(rng.integers(1, 5))
        if by == "target":
            options["shares"] = {
                7 * k: float(rng.integers(1, 9)) for k in range(rng.integers(1, 9))
            }
        choice = ConceptChoice(float(rng.uniform(0.05, 1)), by, seed=number % 5, **options)
        lists = pa.array(rows, pa.list_(pa.int32()))
        assert choice.rows(lists).tolist() == chosen_plainly(rows, choice), (rows, choice)


def test_by_hand() -> None:
    rows = pa.array([[1, 2], [1, 2], [3], [4, 5, 6], []], pa.list_(pa.int32()))
    assert ConceptChoice(0.4, "frequency").rows(rows).tolist()[-1] == 3
    diverse = ConceptChoice(0.6, "diversity", target_count=1).rows(rows).tolist()
    assert diverse in ([0, 2, 3], [1, 2, 3])
    only_3 = ConceptChoice(0.2, "target", shares={3: 1.0}).rows(rows).tolist()
    assert only_3 == [2]
    sliced = pa.array([[9], *rows.to_pylist()], rows.type).slice(1)
    assert ConceptChoice(0.2, "target", shares={3: 1.0}).rows(sliced).tolist() == only_3


def test_diversity_covers_more_concepts_than_chance() -> None:
    rng = np.random.default_rng(1)
    weights = 1 / np.arange(1, 2001)
    ids = rng.choice(2000, (4096, 3), p=weights / weights.sum())
    lists = pa.array([*ids], pa.list_(pa.int64()))
    kept = ids[ConceptChoice(0.25).rows(lists)]
    assert len(kept) == 1024
    assert len(np.unique(kept)) > 1.4 * len(np.unique(ids[:1024]))
    assert even_count(distinct_concepts(lists), 1024) >= 2


def test_the_same_rows_whatever_the_workers(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    ids = pa.array([rng.integers(0, 50, rng.integers(0, 5)).tolist() for _ in range(300)])
    table = pa.table({"uid": [f"{n}" for n in range(300)], "entry_ids": ids})
    write_snapshot(str(tmp_path), [table], row_group_rows=20)

    def batches(num_workers: int) -> list[list[str]]:
        choice = ConceptChoice(0.25, transform=lambda batch: batch.column("uid").to_pylist())
        read = ArrowBatches(open_snapshot(str(tmp_path)), batch_size=64, transform=choice)
        return [*Loader(read, num_workers)]

    alone = batches(0)
    assert [*map(len, alone)] == [16, 16, 16, 16, 11]
    assert batches(2) == alone


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep_fraction": 0}, "keep_fraction: 0, expected more than 0"),
        ({"by": "rarity"}, "by: 'rarity', expected diversity, frequency or target"),
        ({"by": "target"}, "shares: needed by target"),
        ({"by": "target", "shares": {1: 0.0}}, "not all of them 0"),
        ({"by": "frequency", "target_count": 2}, "only by diversity"),
    ],
)
def test_unfit_settings(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        ConceptChoice(**{"keep_fraction": 0.5, **options})


def test_batches_without_concepts() -> None:
    with pytest.raises(SnapshotError, match="no column 'entry_ids'"):
        ConceptChoice(0.5)(pa.RecordBatch.from_pydict({"uid": ["a"]}))
    with pytest.raises(SnapshotError, match="expected lists of ids"):
        ConceptChoice(0.5)(pa.RecordBatch.from_pydict({"entry_ids": ["a"]}))
