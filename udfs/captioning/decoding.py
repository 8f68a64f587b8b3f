"""How captions are decoded: beam search, or nucleus sampling seeded per caption."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from udfs.captioning.sampling import Sampler, Sampling

PAPERS = ("Nguyen 2023, experiment setup: captions of images by BLIP-2 and CoCa",)

Strategy: TypeAlias = Literal["nucleus", "beam"]


@dataclass(frozen=True)
class Decoding:
    """How the captions of an image are written; lengths are tokens of a caption, without its end.

    `strategy` nucleus: `captions` draws from the most probable tokens that have `top_p` of the
    probability (Holtzman et al. 2020). beam: the `captions` most probable of `num_beams` beams.
    """

    strategy: Strategy = "nucleus"
    captions: int = 1
    num_beams: int = 5
    top_p: float = 0.9
    temperature: float = 0.75
    min_length: int = 5
    max_length: int = 40
    seed: int = 0

    def label(self, **others: str) -> str:
        """JSON of what changes captions beside the model, and of other settings that do."""
        unused = {"nucleus": ("num_beams",), "beam": ("top_p", "temperature", "seed")}
        names = {k: v for k, v in asdict(self).items() if k not in unused[self.strategy]}
        return json.dumps(names | others, sort_keys=True)

    def arguments(self, uids: Sequence[str], prompt_length: int) -> dict[str, Any]:
        """Arguments of transformers' `generate`, whose rows are the captions of each uid in turn.

        Draws belong to the caption, so they are alike in any batch: the sampler leaves each row one
        token, which `do_sample` then takes.
        """
        shared = {
            "max_new_tokens": self.max_length,
            "min_new_tokens": self.min_length,
            "num_return_sequences": self.captions,
        }
        if self.strategy == "beam":
            return shared | {"do_sample": False, "num_beams": self.num_beams}
        seeds = [caption_seed(self.seed, uid, n) for uid in uids for n in range(self.captions)]
        sampling = Sampling(self.temperature, self.top_p, 0.0, 0.0, self.max_length, self.seed)
        sampler = Sampler(sampling, seeds, prompt_length)
        # Greedy decoding refuses several sequences; of one token left, sampling takes that one.
        return shared | {
            "do_sample": True,
            "num_beams": 1,
            "temperature": 1.0,
            "top_k": 0,
            "top_p": 1.0,
            "logits_processor": [sampler],
        }


def caption_seed(seed: int, uid: str, number: int) -> int:
    """A seed of 64 bits, of this caption alone."""
    text = json.dumps([seed, uid, number])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
