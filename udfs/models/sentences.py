"""Sentence encoders of sentence-transformers (Reimers & Gurevych 2019)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from udfs.models.encoder import Batch, Inputs, Prepared, cut_by_length
from udfs.models.quiet import quiet
from udfs.models.spec import ModelError, ModelSpec, model_path


class SentenceEncoder:
    """A sentence-transformers model; its vectors are those of the library's `encode`.

    Texts longer than the model's limit are cut. Each text is prefixed by the prompt named
    `spec.prompt`, else by the model's default prompt, if any, as in encode(prompt_name=...).
    """

    def __init__(self, spec: ModelSpec, device: str) -> None:
        from sentence_transformers import SentenceTransformer

        with quiet():
            self._model = SentenceTransformer(
                str(model_path(spec)), device=device, model_kwargs={"use_safetensors": True}
            ).eval()
        self._prompt = _prompt(spec, self._model.prompts, self._model.default_prompt_name)
        # Features that are no tensors, such as the prompt's length, are equal for all batches.
        features = self._model.preprocess(["a"], prompt=self._prompt)
        self._constants = {name: v for name, v in features.items() if not hasattr(v, "to")}
        self.device, self.precision, self._batch_size = device, spec.precision, spec.batch_size
        self.dimension = len(self._model.encode([""])[0])  # fewer where truncate_dim is set

    def prepare(self, items: Sequence[str]) -> Prepared:
        """Tokenise, in batches of texts of similar length, each padded to its longest."""
        lengths = np.array([len(text) for text in items], np.int64)
        batches = []
        for positions in cut_by_length(lengths, self._batch_size):
            features = self._model.preprocess([items[k] for k in positions], prompt=self._prompt)
            tensors = {name: v for name, v in features.items() if hasattr(v, "to")}
            batches.append(Batch(positions, tensors))
        return Prepared(len(items), batches)

    def forward(self, inputs: Inputs) -> Any:
        """The sentence embeddings, (batch, dimension), truncated if the model sets truncate_dim."""
        vectors = self._model(dict(inputs) | self._constants)["sentence_embedding"]
        return vectors[:, : self.dimension]


def _prompt(spec: ModelSpec, prompts: dict[str, str | None], default: str | None) -> str | None:
    """The prompt named `spec.prompt`, else the default one; ModelError if the name is unknown."""
    name = spec.prompt if spec.prompt is not None else default
    if name is None:
        return None
    if name not in prompts:
        raise ModelError(
            f"model {spec.name}: has no prompt {name!r}; it has {', '.join(map(repr, prompts))}"
        )
    return prompts[name]
