"""CLIP scores of pairs of vectors."""

import pyarrow as pa
import pytest

from udfs.pair_scores import cosines_of_pairs
from udfs.task_errors import TaskInputError

VECTORS = pa.list_(pa.float32())


def pairs(images: list[list[float]], captions: list[list[float]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {
            "uid": [f"u{k}" for k in range(len(images))],
            "caption_id": pa.array(range(len(images)), pa.int32()),
            "image": pa.array(images, VECTORS),
            "text": pa.array(captions, VECTORS),
        }
    )


def test_scores_are_cosines_beside_the_keys() -> None:
    score = cosines_of_pairs(
        ["uid", "caption_id"], image="image", caption="text", score="s", tables=("i", "c")
    )
    [scored] = score([pairs([[1, 0], [0.6, 0.8], [1, 0]], [[0.6, 0.8], [0.8, 0.6], [-1, 0]])])
    assert scored.schema.names == ["uid", "caption_id", "s"]
    assert scored["s"].to_pylist() == pytest.approx([0.6, 0.96, -1.0], abs=1e-6)


def test_a_vector_that_is_no_unit_vector_is_refused_with_its_table() -> None:
    score = cosines_of_pairs(["uid"], image="image", caption="text", score="s", tables=("i", "c"))
    with pytest.raises(TaskInputError, match=r"\bc\b.*u0"):
        list(score([pairs([[1, 0]], [[3, 0]])]))
