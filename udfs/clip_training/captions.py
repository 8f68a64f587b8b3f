"""Which caption of an image an epoch trains on, where it has several with weights."""

import hashlib
import json
import math
from typing import Any

_JSON, _TEXT, _KEY = "json", "txt", "__key__"


def with_caption_of_pass(sample: dict[str, Any], seed: int, number: int) -> None:
    """Put the caption of a pass over the rows into a raw sample of webdataset, in place of `txt`.

    `number`: of the pass, from 0. The draw depends on seed, pass and image alone (its uid, or else
    its key), so it is the same whichever process or loader worker reads it. A sample whose json has
    no lists `captions` and `weights`, of one length with some weight above 0, stays as it is.
    """
    record = sample.get(_JSON)
    if not isinstance(record, bytes) or b'"weights"' not in record:
        return
    try:
        fields = json.loads(record)
        captions, weights = fields["captions"], fields["weights"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    if not _are_weighted(captions, weights):
        return
    uid = fields.get("uid")
    image = uid if isinstance(uid, str) else sample[_KEY]
    sample[_TEXT] = captions[drawn(weights, seed, number, image)].encode()


def _are_weighted(captions: Any, weights: Any) -> bool:
    if not isinstance(captions, list) or not isinstance(weights, list):
        return False
    are_numbers = all(type(w) in (int, float) and 0 <= w < math.inf for w in weights)
    are_texts = all(isinstance(caption, str) for caption in captions)
    return are_numbers and are_texts and len(captions) == len(weights) and sum(weights) > 0


def drawn(weights: list[float], seed: int, number: int, image: str) -> int:
    """The place that a draw takes; each has its weight's share, and weight 0 is never drawn."""
    digest = hashlib.blake2b(f"{seed} {number} {image}".encode(), digest_size=8).digest()
    at = int.from_bytes(digest, "big") / 2**64 * sum(weights)
    last = 0
    for place, weight in enumerate(weights):
        if weight > 0:
            last = place
            at -= weight
            if at < 0:
                return place
    return last  # where rounding has left a rest
