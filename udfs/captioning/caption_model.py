"""Models that caption images: find and check their files, on the driver and in tasks."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from udfs.models.spec import (
    Device,
    ModelError,
    ModelSpec,
    Precision,
    from_hub,
    model_path,
    safe_folder,
)

Architecture: TypeAlias = Literal["blip", "blip2", "coca"]
_OPEN_CLIP = "open_clip:"
_CONFIG = "config.json"
# transformers' `model_type`, and the class of a checkpoint that writes captions.
_CLASSES: dict[str, tuple[Architecture, str]] = {
    "blip": ("blip", "BlipForConditionalGeneration"),
    "blip-2": ("blip2", "Blip2ForConditionalGeneration"),
}
_EXPECTED = "expected BLIP or BLIP-2 of transformers, or open_clip: with CoCa"


@dataclass(frozen=True)
class CaptionModel:
    """A model that captions images, as workers load it.

    `name`: a folder of transformers' files that every worker sees, or a name on the Hugging Face
    hub, there with a `revision`; or `open_clip:` with an architecture of CoCa, whose `weights` are
    a checkpoint file (with its `sha256`, unless it is a safetensors file) or a pretrained tag, or
    with a folder.
    """

    name: str
    revision: str | None = None
    weights: str | None = None
    sha256: str | None = None
    device: Device = "auto"
    precision: Precision = "auto"

    @property
    def is_open_clip(self) -> bool:
        """Whether open_clip runs the model, else transformers."""
        return self.name.startswith(_OPEN_CLIP)

    @property
    def is_folder(self) -> bool:
        """Whether `name` gives a folder."""
        return self.name.removeprefix(_OPEN_CLIP).startswith(("/", ".", "~"))

    @property
    def clip_spec(self) -> ModelSpec:
        """The model as udfs.models.clip loads it."""
        return ModelSpec(self.name, self.weights, self.sha256, self.device, self.precision)


def caption_model_files(model: CaptionModel) -> Path:
    """The folder or checkpoint file of a model, fetched if it is on a hub.

    Raises ModelError if it is missing, may not be loaded, or writes no captions of images.
    """
    architecture_of(model)
    if model.is_open_clip:
        return model_path(model.clip_spec)
    return safe_folder(_transformers_folder(model), _CONFIG, model.name)


def architecture_of(model: CaptionModel) -> Architecture:
    """What kind of model it is; ModelError if it is none that captions images."""
    if model.is_open_clip:
        _refuse_other_than_coca(model)
        return "coca"
    config = _json(_transformers_folder(model) / _CONFIG, model)
    model_type, classes = config.get("model_type"), config.get("architectures")
    architecture, captioner = _CLASSES.get(str(model_type), (None, ""))
    if architecture is None:
        raise ModelError(
            f"model {model.name}: the architecture {str(model_type)[:80]!r} writes no captions of "
            f"images here; {_EXPECTED}"
        )
    if isinstance(classes, list) and classes and captioner not in classes:
        raise ModelError(
            f"model {model.name}: is a {str(classes[0])[:80]}, which writes no captions; expected "
            f"a {captioner}"
        )
    return architecture


def _transformers_folder(model: CaptionModel) -> Path:
    """The folder of transformers' files, fetched if it is on the hub."""
    if model.weights is not None or model.sha256 is not None:
        raise ModelError(f"model {model.name} holds its own weights; leave out `weights`, `sha256`")
    if not model.is_folder:
        return from_hub(model.name, f"model {model.name}", revision=model.revision)
    if model.revision is not None:
        raise ModelError(f"model {model.name}: only models on the hub have a revision")
    return Path(model.name).expanduser()


def _refuse_other_than_coca(model: CaptionModel) -> None:
    """Raise ModelError unless open_clip's configuration has a text decoder of its own tokens."""
    import open_clip

    if model.revision is not None:
        raise ModelError(f"model {model.name}: has no revision; `weights` say which it is")
    name = model.name.removeprefix(_OPEN_CLIP)
    if model.is_folder:
        config = _json(Path(name) / "open_clip_config.json", model).get("model_cfg")
    else:
        config = open_clip.get_model_config(name)
        if config is None:
            raise ModelError(f"model {model.name}: open_clip knows no such model")
    config = config if isinstance(config, dict) else {}
    if "multimodal_cfg" not in config or config.get("text_cfg", {}).get("hf_model_name"):
        raise ModelError(
            f"model {model.name}: writes no captions of images here; {_EXPECTED}, such as "
            "open_clip:coca_ViT-L-14"
        )


def _json(file: Path, model: CaptionModel) -> dict[str, Any]:
    """The object in a model's file; ModelError if it is missing or holds none."""
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"model {model.name}: {file.parent} has no {file.name}") from None
    except (OSError, ValueError, RecursionError) as fault:
        raise ModelError(f"model {model.name}: {file} cannot be read ({fault})"[:300]) from None
    if not isinstance(content, dict):
        raise ModelError(f"model {model.name}: {file} is no JSON object")
    return content
