"""Sampling of tokens by numbers that belong to each request, whatever else is in its batch."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST_CANDIDATES = 256  # most likely tokens, which nearly always hold top_p of the probability
_NEVER = float("-inf")


@dataclass(frozen=True)
class Sampling:
    """How a model's tokens are sampled; the defaults are SynthCLIP's (Hammoud et al. 2024).

    `presence_penalty` is subtracted from the logits of tokens that an answer has already,
    `frequency_penalty` once for each time that it has them. `seed`: None leaves it to the model.
    """

    temperature: float = 0.7
    top_p: float = 0.95
    presence_penalty: float = 1.0
    frequency_penalty: float = 1.0
    max_tokens: int = 2048
    seed: int | None = 0

    def label(self, prompt_as: str) -> str:
        """JSON of all that changes answers beside prompt and model."""
        return json.dumps({**asdict(self), "prompt_as": prompt_as}, sort_keys=True)


class Sampler:
    """A logits processor of transformers that leaves each row only the token that it has drawn.

    So greedy decoding takes that token. The draw is by inversion: the first token, in order of
    descending probability, at which the sum of probabilities reaches u times the mass of the
    nucleus (Holtzman et al. 2020); u is a number of the row's own seed for each step. Presence and
    frequency penalties are OpenAI's, over the tokens of the answer.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int], prompt_length: int) -> None:
        self._sampling = sampling
        self._draws = [np.random.default_rng(seed) for seed in seeds]
        self._prompt_length = prompt_length
        self._counts: Any = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores, (n_rows, n_tokens), with -inf for all tokens but the one that was drawn."""
        import torch

        scores = self._penalised(input_ids, scores.float())
        if self._sampling.temperature == 0:
            tokens = scores.argmax(-1, keepdim=True)
        else:
            uniform = torch.from_numpy(self._uniform()).to(scores.device)
            probabilities = torch.softmax(scores / self._sampling.temperature, -1)
            tokens = draw(probabilities, uniform, self._sampling.top_p)
        return torch.full_like(scores, _NEVER).scatter_(1, tokens, 0.0)

    def _uniform(self) -> NDArray[np.float32]:
        return np.array([draw.random() for draw in self._draws], np.float32)[:, None]

    def _penalised(self, input_ids: Any, scores: Any) -> Any:
        import torch

        presence, frequency = self._sampling.presence_penalty, self._sampling.frequency_penalty
        if presence == 0 and frequency == 0:
            return scores
        if self._counts is None:
            self._counts = torch.zeros_like(scores)
        if input_ids.shape[1] > self._prompt_length:
            ones = torch.ones_like(scores[:, :1])
            self._counts.scatter_add_(1, input_ids[:, -1:], ones)
        return scores - frequency * self._counts - presence * (self._counts > 0)


def draw(probabilities: Any, uniform: Any, top_p: float) -> Any:
    """A token of each row's nucleus, (n_rows, 1); `uniform`: (n_rows, 1) in [0, 1)."""
    import torch

    n_tokens = probabilities.shape[1]
    for n in (min(_FIRST_CANDIDATES, n_tokens), n_tokens):
        largest, tokens = probabilities.topk(n)
        sums = largest.cumsum(-1)
        if n == n_tokens or bool((sums[:, -1] >= top_p).all()):
            break
    # The nucleus ends at the first token at which the sum reaches top_p, and has that token.
    last = (sums < top_p).sum(-1, keepdim=True).clamp(max=n - 1)
    mass = sums.gather(1, last)
    position = (sums <= uniform * mass).sum(-1, keepdim=True)
    return tokens.gather(1, torch.minimum(position, last))
