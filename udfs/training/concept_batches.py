"""Concept-aware batches: a part of each super-batch, chosen by the concepts of its rows."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from udfs.training.batches import require_whole_number
from udfs.training.faults import SnapshotError
from udfs.training.permutations import permutation

Aim = Literal["diversity", "frequency", "target"]


@dataclass(frozen=True)
class ConceptChoice:
    """A transform of `ArrowBatches` that keeps a part of each batch (Ghosh et al. 2026).

    `keep_fraction`: b / B, of the rows of a super-batch, rounded, at least one. `by`: `diversity`,
    rows that cover the concepts up to `target_count` rows each, by default as many as an even
    spread gives; `frequency`, those with most concepts; `target`, those whose concepts come near to
    `shares`, entry id -> share. Rows of equal worth are drawn by `seed`. The rows kept stay in
    their order, and are the same whatever the number of workers. `transform` gets what is left.
    """

    keep_fraction: float
    by: Aim = "diversity"
    target_count: int | None = None
    shares: Mapping[int, float] | None = None
    seed: int = 0
    column: str = "entry_ids"
    transform: Callable[[pa.RecordBatch], Any] | None = None

    def __post_init__(self) -> None:
        """Raise SnapshotError for settings that do not fit together."""
        if self.by not in ("diversity", "frequency", "target"):
            raise SnapshotError(f"by: {self.by!r}, expected diversity, frequency or target")
        if not 0 < self.keep_fraction <= 1:
            raise SnapshotError(
                f"keep_fraction: {self.keep_fraction!r}, expected more than 0 and up to 1"
            )
        require_whole_number("seed", self.seed, least=0)
        if self.target_count is not None and (self.by != "diversity" or self.target_count < 1):
            raise SnapshotError("target_count: at least 1, and only by diversity")
        if (self.shares is not None) != (self.by == "target"):
            raise SnapshotError("shares: needed by target, and only there")
        values = [*(self.shares or {0: 1.0}).values()]
        if not all(math.isfinite(v) and v >= 0 for v in values) or sum(values) <= 0:
            raise SnapshotError("shares: expected numbers of at least 0, not all of them 0")

    def __call__(self, batch: pa.RecordBatch) -> Any:
        """The rows of a super-batch that are kept."""
        kept = batch.take(pa.array(self.rows(self._lists(batch))))
        return kept if self.transform is None else self.transform(kept)

    def rows(self, lists: pa.Array) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """Which rows are kept of those with these lists of entry ids, ascending."""
        # Its kernel takes numba, which readers of snapshots do without.
        from udfs.training import concept_choice

        concepts = concept_choice.distinct_concepts(lists)
        keep = max(1, round(self.keep_fraction * len(lists))) if len(lists) else 0
        ranks = np.argsort(permutation(len(lists), self.seed))
        if self.by == "frequency":
            return concept_choice.most_concepts(concepts, keep, ranks)
        if self.by == "target":
            return concept_choice.nearest_to_target(concepts, keep, ranks, self.shares or {})
        count = self.target_count or concept_choice.even_count(concepts, keep)
        return concept_choice.most_covered(concepts, keep, ranks, count)

    def _lists(self, batch: pa.RecordBatch) -> pa.Array:
        if self.column not in batch.schema.names:
            raise SnapshotError(
                f"no column {self.column!r} in a batch, which has {', '.join(batch.schema.names)}"
            )
        lists = batch.column(self.column)
        if not pa.types.is_list(lists.type) or not pa.types.is_integer(lists.type.value_type):
            raise SnapshotError(f"column {self.column!r} is {lists.type}, expected lists of ids")
        return lists
