"""Sampling of tokens beside a slow reference, and its law."""

import numpy as np
import pytest
import torch

from udfs.captioning.sampling import Sampler, Sampling, draw


def reference(probabilities: np.ndarray, uniform: float, top_p: float) -> int:
    """The nucleus by a loop, then inversion in it."""
    order = sorted(range(len(probabilities)), key=lambda i: -probabilities[i])
    nucleus, total = [], 0.0
    for token in order:
        nucleus.append(token)
        total += probabilities[token]
        if total >= top_p:
            break
    reached = 0.0
    for token in nucleus:
        reached += probabilities[token]
        if reached > uniform * total:
            return token
    return nucleus[-1]


@pytest.mark.parametrize("n_tokens", [3, 700])
@pytest.mark.parametrize("top_p", [0.3, 0.95, 1.0])
def test_tokens_are_those_of_the_reference(n_tokens: int, top_p: float) -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(n_tokens, 0.5), 50)
    uniform = rng.random((50, 1))
    tokens = draw(torch.from_numpy(probabilities), torch.from_numpy(uniform), top_p)
    expected = [reference(row, u, top_p) for row, (u,) in zip(probabilities, uniform, strict=True)]
    assert tokens[:, 0].tolist() == expected


def test_penalties_are_openais_over_the_tokens_of_the_answer() -> None:
    sampling = Sampling(temperature=0, presence_penalty=0.5, frequency_penalty=0.25)
    sampler = Sampler(sampling, [0], prompt_length=2)
    logits = torch.tensor([[1.0, 0.9, 0.2]])
    # Token 0 stands in the prompt, where it costs nothing.
    steps = [[0, 0], [0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1, 0]]
    chosen = [int(sampler(torch.tensor([ids]), logits).argmax()) for ids in steps]
    # 1.0 0.9 0.2 | 0.25 0.9 0.2 | 0.25 0.15 0.2 | 0.0 0.15 0.2
    assert chosen == [0, 1, 0, 2]


def test_a_row_draws_alike_whatever_stands_beside_it() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
    ids = torch.zeros(4, 1, dtype=torch.long)
    together = Sampler(Sampling(), [7, 8, 9, 10], 1)(ids, logits).argmax(-1).tolist()
    alone = [
        int(Sampler(Sampling(), [seed], 1)(ids[:1], logits[i : i + 1]).argmax())
        for i, seed in enumerate([7, 8, 9, 10])
    ]
    assert together == alone
