"""Cosines of texts and the vectors of their queries."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from udfs.models import query_similarities
from udfs.models.embedding import EmbeddedRows
from udfs.models.query_similarities import similarities_to_queries
from udfs.models.spec import ModelSpec


def test_each_text_is_compared_with_its_query_of_each_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def embed(
        _spec: ModelSpec, _modality: str, batches: list[pa.RecordBatch], _item: str
    ) -> Iterator[EmbeddedRows]:
        vectors = np.array([[1, 0], [0.6, 0.8], [0, 0]], np.float32)
        yield EmbeddedRows(
            pa.Table.from_batches(batches), vectors, pa.array([None, None, "null"], pa.string())
        )

    monkeypatch.setattr(query_similarities, "embed_with_model", embed)
    queries = {
        "name": np.array([[1, 0], [0, 1]], np.float32),
        "gloss": np.array([[0.6, 0.8], [-1, 0]], np.float32),
    }
    batch = pa.RecordBatch.from_pydict({"uid": list("abc"), "text": list("xyz"), "q": [0, 1, 0]})
    score = similarities_to_queries(
        ModelSpec("minilm"), queries, text="text", query="q", kept=["uid"]
    )
    [scored] = score([batch])
    assert scored.schema.names == ["uid", "name", "gloss"]
    assert scored["name"].to_pylist() == pytest.approx([1.0, 0.8, None])
    assert scored["gloss"].to_pylist() == pytest.approx([0.6, -0.6, None])
