"""Sentence encoders by sentence-transformers (Reimers & Gurevych 2019)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from udfs.models.encoder import Batch, Inputs, Prepared, cut_by_length
from udfs.models.quiet import quiet
from udfs.models.spec import ModelSpec, model_path


class SentenceEncoder:
    """A sentence-transformers model; texts longer than it takes are cut, as by its own encode."""

    def __init__(self, spec: ModelSpec, device: str) -> None:
        from sentence_transformers import SentenceTransformer

        with quiet():
            self._model = SentenceTransformer(
                str(model_path(spec)), device=device, model_kwargs={"use_safetensors": True}
            ).eval()
        self.device, self.precision, self._batch_size = device, spec.precision, spec.batch_size
        self.dimension = len(self._model.encode([""])[0])

    def prepare(self, items: Sequence[str]) -> Prepared:
        """Tokens, in batches of texts of like length, each padded to its longest."""
        lengths = np.array([len(text) for text in items], np.int64)
        batches = []
        for positions in cut_by_length(lengths, self._batch_size):
            tokens = self._model.preprocess([items[k] for k in positions])
            batches.append(Batch(positions, _tensors(tokens)))
        return Prepared(len(items), batches)

    def forward(self, inputs: Inputs) -> Any:
        """The sentence embeddings, (batch, dimension)."""
        return self._model(dict(inputs))["sentence_embedding"]


def _tensors(tokens: Inputs) -> Inputs:
    return {name: value for name, value in tokens.items() if hasattr(value, "to")}
