"""Texts as the tasks of measure-captions read them, and what comes out of the first two."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.captioning.answered import answered_and_counted
from udfs.captioning.packed_ngrams import packed_ngrams
from udfs.captioning.row_blobs import unpacked_rows
from udfs.captioning.tokens import TokenRule

_COUNTS = [("ids", pa.binary()), ("counts", pa.binary())]
_SETS = [("source_set", pa.int32()), ("group_set", pa.int32()), ("draw", pa.float64())]
TEXTS = pa.schema(
    [("image", pa.int64()), ("is_reference", pa.bool_()), ("tokens", pa.binary()), *_SETS]
)
PACKED = pa.schema(
    [
        *(("part", pa.int32()), *_COUNTS, ("chunk", pa.int32())),
        *(("place", pa.int64()), ("texts", pa.binary()), ("images", pa.int64())),
    ]
)
_TYPES = [(name, pa.int32()) for name in ("set", "ngram_order", "level", "jackknife")]
ANSWERED = pa.schema([("chunk", pa.int32()), *_COUNTS, *_TYPES, ("types", pa.int64())])


def texts_of(
    captions: Sequence[str | None],
    references: Sequence[Sequence[str]],
    *,
    chunks: Sequence[int] | None = None,
    sets: Sequence[tuple[int, int]] | None = None,
    draws: Any = None,
) -> pa.RecordBatch:
    """Rows of images, references first, then one caption each."""
    sizes = [1 + len(texts) for texts in references]
    is_reference = np.ones(sum(sizes), bool)
    ends = np.cumsum(sizes, dtype=np.int64) - 1
    is_reference[ends] = False
    all_sets = np.full((len(is_reference), 2), -1, np.int32)
    all_sets[ends] = [(0, -1)] * len(captions) if sets is None else sets
    all_draws = np.zeros(len(is_reference))
    all_draws[ends] = 0.3 if draws is None else draws
    columns = {
        "chunk": pa.array(
            np.repeat([0] * len(sizes) if chunks is None else chunks, sizes), pa.int32()
        ),
        "uid": pa.array(np.repeat([f"u{k:05d}" for k in range(len(sizes))], sizes), pa.string()),
        "is_reference": pa.array(is_reference),
        "caption": pa.array(
            [t for mine, others in zip(captions, references, strict=True) for t in (*others, mine)],
            pa.string(),
        ),
        "source_set": pa.array(all_sets[:, 0]),
        "group_set": pa.array(all_sets[:, 1]),
        "draw": pa.array(all_draws),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def packed_and_answers(
    batches: Sequence[pa.RecordBatch], rule: TokenRule
) -> tuple[pa.Table, pa.Table]:
    """What one task packs, and the answers to it."""
    packed = pa.Table.from_batches(packed_ngrams(rule, TEXTS, PACKED)(batches))
    answered = answered_parts(packed)
    return packed, answered.filter(answered["ids"].is_valid())


def token_rows(packed: pa.Table) -> pa.Table:
    """The texts in the blobs of one task."""
    return pa.Table.from_batches(unpacked_rows(packed["texts"].chunks, TEXTS)).combine_chunks()


def answered_parts(packed: pa.Table) -> pa.Table:
    """What one task answers and counts of all parts."""
    by_part = packed.filter(packed["part"].is_valid()).sort_by("part").to_batches()
    return pa.Table.from_batches(answered_and_counted(ANSWERED)(by_part))
