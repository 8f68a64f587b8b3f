"""Captions without a model, for tests and demonstrations."""

from collections.abc import Sequence
from dataclasses import dataclass

from udfs.captioning.requests import Answer, OnAnswer, Request, Spending

_SENTENCES = (
    "A photo of {} on a wooden table near a window",
    "A close view of {} in the light of the evening",
    "People look at {} in a quiet street",
    "A drawing of {} beside a cup of tea",
    "An old picture of {} hangs on a white wall",
    "A child holds {} in both hands and smiles",
    "Rain falls on {} in front of a red house",
    "Seen from above , {} in the middle of a green field",
    "A shop window with {} and a row of small lamps",
    "Morning fog around {} by the side of a lake",
)
_PLACES = ("in Lisbon", "near the sea", "in winter", "at noon", "under blue sky", "at a market")


@dataclass(frozen=True)
class TemplateBackend:
    """A sentence with the concept, decided by the seed of the request."""

    seed: int = 0

    def answer(
        self, requests: Sequence[Request], on_answer: OnAnswer, spending: Spending
    ) -> str | None:
        """Answer requests, as udfs.captioning.requests.Backend has it."""
        for request in requests:
            number = request.seed(self.seed)
            sentence = _SENTENCES[number % len(_SENTENCES)]
            place = _PLACES[number // len(_SENTENCES) % len(_PLACES)]
            caption = f"{sentence.replace('{}', request.concept)} {place}"
            on_answer(request, Answer(caption, 0.0, prompt_tokens=0, completion_tokens=0))
        return None
