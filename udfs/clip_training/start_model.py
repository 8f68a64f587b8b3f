"""The model that a training begins with, as a folder that open_clip loads, and the finished one.

The trainer is given the folder by a relative name of ours, since it takes models whose name or path
has `coca` or `vit` in it for such models.
"""

import difflib
import importlib.util
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from udfs.models.clip import PREPROCESSING, tag_options
from udfs.models.spec import ModelError, ModelSpec, model_path

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
_PICKLED_WEIGHTS = "open_clip_pytorch_model.bin"  # as open_clip looks for them in a folder
START, START_COCA = "start", "start_coca"
_MODEL_FIELDS = ("embed_dim", "vision_cfg", "text_cfg")
_MOST_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True)
class StartModel:
    """A model to begin with.

    name: one of open_clip's, or a folder with open_clip_config.json, whose own weights are not
    taken. weights: a checkpoint file, or a tag of open_clip's pretrained models; None: random ones.
    sha256: of a file that is no .safetensors.
    """

    name: str
    weights: str | None = None
    sha256: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder rather than a name."""
        return self.name.startswith("/")

    def config(self) -> dict[str, Any]:
        """open_clip's configuration of the model; ModelError if there is none.

        It is read without importing open_clip, and torch with it.
        """
        if not self.is_folder:
            return {"model_cfg": _known_config(self.name), "preprocess_cfg": {}}
        file = Path(self.name) / CONFIG
        if not file.is_file():
            raise ModelError(f"model {self.name}: has no {CONFIG}")
        config = _read_object(file)
        if not _is_model(config.get("model_cfg")):
            raise ModelError(
                f"model {self.name}: model_cfg in its {CONFIG} has no {', '.join(_MODEL_FIELDS)}"
            )
        return config

    @property
    def kind(self) -> str:
        """The name by which the trainer chooses AdamW's betas: `vit` of a folder with such one."""
        if not self.is_folder:
            return self.name
        vision = self.config()["model_cfg"]["vision_cfg"]
        timm_name = str(vision.get("timm_model_name", ""))
        is_vit = "vit" in timm_name if timm_name else not isinstance(vision.get("layers"), list)
        return "vit" if is_vit else "other"

    def weights_path(self) -> Path | None:
        """The file of the weights, downloaded if it is a tag's; ModelError if there is none."""
        if self.weights is None:
            return None
        if not self.is_folder:
            return model_path(ModelSpec(f"open_clip:{self.name}", self.weights, self.sha256))
        if not Path(self.weights).is_file():
            raise ModelError(f"weights {self.weights}: is no file, as a model's folder needs it")
        # Any of its names will do: only file and digest are looked at.
        return model_path(ModelSpec("open_clip:ViT-B-32", self.weights, self.sha256))

    def folder_name(self) -> str:
        """The name of the folder that `write` makes."""
        return START_COCA if "multimodal_cfg" in self.config()["model_cfg"] else START

    def write(self, folder: Path) -> None:
        """Make the folder with configuration, weights and tokenizer in `folder`."""
        target, config = folder / self.folder_name(), self.config()
        target.mkdir(parents=True, exist_ok=True)
        if self.is_folder:
            _copy_tokenizer(Path(self.name), target)
        weights = self.weights_path()
        if weights is not None:
            is_safe = weights.suffix == ".safetensors"
            shutil.copyfile(weights, target / (WEIGHTS if is_safe else _PICKLED_WEIGHTS))
            if not self.is_folder:
                options = tag_options(self.name, self.weights)
                config["preprocess_cfg"] = options.get("force_preprocess_cfg", {})
                if options.get("force_quick_gelu"):
                    config["model_cfg"]["quick_gelu"] = True
        (target / CONFIG).write_text(json.dumps(config, indent=2))


def _known_config(name: str) -> dict[str, Any]:
    folder = _model_configs()
    file = folder / f"{name.replace('/', '-')}.json"
    if name and file.parent == folder and file.is_file():
        config = _read_object(file)
        if _is_model(config):
            return config
    names = sorted(path.stem for path in folder.glob("*.json"))
    nearest = difflib.get_close_matches(name, names, 3, 0.4)
    hint = f"; near to it: {', '.join(nearest)}" if nearest else ""
    raise ModelError(
        f"model {name!r}: is none of open_clip's {len(names)} models, nor a folder (which begins "
        f"with / or .){hint}"
    )


def _model_configs() -> Path:
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise ModelError("train-clip needs open_clip: pip install 'captionlake[clip,training]'")
    return Path(spec.origin).parent / "model_configs"


def _read_object(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _MOST_CONFIG_BYTES:
            raise ValueError
        value = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ModelError(f"{file}: expected a JSON object")
    return value


def _is_model(config: Any) -> bool:
    if not isinstance(config, dict) or not all(name in config for name in _MODEL_FIELDS):
        return False
    return all(isinstance(config[name], dict) for name in ("vision_cfg", "text_cfg"))


def _copy_tokenizer(source: Path, target: Path) -> None:
    """Copy what a tokenizer may need: all small files but configuration and weights."""
    for file in source.iterdir():
        is_tokenizer = file.suffix in (".json", ".txt", ".model", ".jinja") and file.is_file()
        if is_tokenizer and file.name not in (CONFIG, "params.txt"):
            shutil.copyfile(file, target / file.name)


def write_trained(start: Path, checkpoint: Path, target: Path, extra: dict[str, Any]) -> None:
    """Write the model of a checkpoint as a folder that `create_model("local-dir:...")` loads.

    extra: what the trainer added to the model's configuration. ModelError if it does not load.
    """
    import open_clip
    import torch
    from safetensors.torch import save_file

    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    config = json.loads((start / CONFIG).read_bytes())
    config["model_cfg"] |= extra
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    weights = {
        name.removeprefix("module."): value.contiguous().clone()
        for name, value in content["state_dict"].items()
    }
    save_file(weights, str(target / WEIGHTS))
    _copy_tokenizer(start, target)
    (target / CONFIG).write_text(json.dumps(config, indent=2))
    try:
        model = open_clip.create_model(f"local-dir:{target}")
    except (RuntimeError, ValueError, TypeError) as fault:
        raise ModelError(
            f"the trained model does not load again: {str(fault).splitlines()[0]}"
        ) from None
    used = model.visual.preprocess_cfg
    config["preprocess_cfg"] = {key: used[key] for key in PREPROCESSING if key in used}
    (target / CONFIG).write_text(json.dumps(config, indent=2))
