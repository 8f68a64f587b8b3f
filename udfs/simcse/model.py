"""The encoder of SimCSE: a BERT, and in training an MLP on the vector of its first token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from udfs.models.encoder import cut_by_length
from udfs.vectors import Vectors

_EVALUATION_BATCH = 128


@dataclass(frozen=True)
class SimcseModel:
    """A BERT with its tokenizer on a device, and the MLP that only training uses."""

    bert: Any
    mlp: Any
    tokenizer: Any
    device: str

    def parameters(self) -> list[Any]:
        """All parameters that are trained, in a fixed order."""
        return [*self.bert.parameters(), *self.mlp.parameters()]

    def state(self) -> dict[str, Any]:
        """All weights by name."""
        return {
            **{f"bert.{name}": value for name, value in self.bert.state_dict().items()},
            **{f"mlp.{name}": value for name, value in self.mlp.state_dict().items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take the weights of `state`."""
        for part, module in (("bert.", self.bert), ("mlp.", self.mlp)):
            own = {k.removeprefix(part): v for k, v in state.items() if k.startswith(part)}
            module.load_state_dict(own)

    def tokens(self, texts: Sequence[str], max_length: int | None) -> Mapping[str, Any]:
        """Token ids of texts, padded to the longest of them; cut at the model's limit at most."""
        most = self.tokenizer.model_max_length
        limit = most if max_length is None else min(max_length, most)
        encoded = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt"
        )
        return {name: tensor.to(self.device) for name, tensor in encoded.items()}

    def first_token(self, inputs: Mapping[str, Any]) -> Any:
        """The last layer at the first token, [CLS], (batch, dimension)."""
        return self.bert(**inputs).last_hidden_state[:, 0]

    def two_passes(self, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
        """The MLP's vectors of each text under two dropout masks, in one call of the encoder."""
        import torch

        n = len(inputs["input_ids"])
        twice = {name: torch.cat([tensor, tensor]) for name, tensor in inputs.items()}
        vectors = self.mlp(self.first_token(twice))
        return vectors[:n], vectors[n:]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors as the finished model gives them, (n, dimension): without dropout and MLP."""
        import torch

        was_training = self.bert.training
        self.bert.eval()
        lengths = np.array([len(text) for text in texts], np.int64)
        vectors = np.zeros((len(texts), self.bert.config.hidden_size), np.float32)
        with torch.inference_mode():
            for positions in cut_by_length(lengths, _EVALUATION_BATCH):
                inputs = self.tokens([texts[k] for k in positions], None)
                vectors[positions] = self.first_token(inputs).float().cpu().numpy()
        self.bert.train(was_training)
        return vectors


def with_new_mlp(bert: Any, tokenizer: Any, device: str, seed: int) -> SimcseModel:
    """The model at the start of a training: the MLP has random weights, as BERT's layers at first.

    The MLP is a linear layer and tanh, without dropout.
    """
    import torch

    size = bert.config.hidden_size
    linear = torch.nn.Linear(size, size)
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        linear.weight.normal_(0, bert.config.initializer_range, generator=drawn)
        linear.bias.zero_()
    mlp = torch.nn.Sequential(linear, torch.nn.Tanh())
    bert.to(device).train()
    return SimcseModel(bert, mlp.to(device).train(), tokenizer, device)
