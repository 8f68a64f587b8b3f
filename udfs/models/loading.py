"""Load the encoder of a model, one per process."""

from functools import lru_cache
from typing import Literal

from udfs.models.clip import ClipImageEncoder, ClipTextEncoder
from udfs.models.device import device_of_task
from udfs.models.encoder import Encoder
from udfs.models.sentences import SentenceEncoder
from udfs.models.spec import ModelError, ModelSpec

Modality = Literal["text", "image"]


def encoder_of_task(spec: ModelSpec, modality: Modality) -> Encoder:
    """The encoder on this task's device, loaded at a worker's first call.

    Raises ModelError if the model cannot be loaded or has no tower of this modality.
    """
    return _encoder(spec, modality, device_of_task(spec.device))


@lru_cache(maxsize=1)
def _encoder(spec: ModelSpec, modality: Modality, device: str) -> Encoder:
    if spec.framework == "open_clip":
        return (ClipTextEncoder if modality == "text" else ClipImageEncoder)(spec, device)
    if modality == "image":
        raise ModelError(f"model {spec.name} has no image tower")
    return SentenceEncoder(spec, device)
