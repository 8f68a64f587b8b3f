"""The contrastive loss of SimCSE: a caption against itself under other dropout, and all others."""

from typing import Any

PAPERS = (
    "SimCSE, equation 4: a caption twice through the encoder, under two dropout masks, is the "
    "positive pair; all others of the batch are negatives",
)


def contrastive_loss(first: Any, second: Any, temperature: float) -> Any:
    """Cross-entropy of each row's cosines to all rows of `second`, its own being the right one.

    first, second: (n, dimension), two passes of the same captions.
    """
    import torch
    from torch.nn import functional

    similarities = functional.normalize(first.float(), dim=1) @ (
        functional.normalize(second.float(), dim=1).T
    )
    own = torch.arange(len(first), device=first.device)
    return functional.cross_entropy(similarities / temperature, own)
