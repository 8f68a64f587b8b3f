"""BERT-like models as folders: found and loaded to be trained, and written for both libraries."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from udfs.models.quiet import quiet
from udfs.models.spec import ModelError, from_hub

# Architectures whose first token stands for the text and whose class has `hidden_size`.
BERT_LIKE = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "mpnet")
_POOLING = "1_Pooling"
_MOST_TOKENS = 512


def bert_folder(name: str, revision: str | None = None) -> Path:
    """The folder of a BERT-like model: a path, or a name on the hub, which is fetched.

    Raises ModelError if it is missing, of another kind, or has no safe weights.
    """
    is_path = name.startswith(("/", ".", "~"))
    if is_path and revision is not None:
        raise ModelError(f"model {name}: only models on the hub have a revision")
    folder = (
        Path(name).expanduser() if is_path else from_hub(name, f"model {name}", revision=revision)
    )
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except OSError:
        raise ModelError(f"model {name}: {folder} has no config.json") from None
    except (ValueError, RecursionError):
        raise ModelError(f"model {name}: its config.json is no JSON") from None
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in BERT_LIKE:
        raise ModelError(
            f"model {name}: is of type {str(kind)[:80]!r}, expected a BERT-like one: "
            f"{', '.join(BERT_LIKE)}"
        )
    if not list(folder.glob("*.safetensors")):
        raise ModelError(f"model {name}: {folder} has no .safetensors; no pickle is loaded")
    return folder


def load_bert(folder: Path, name: str) -> tuple[Any, Any]:
    """(model without its pooler, tokenizer) of a folder; ModelError if they cannot be loaded."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    where: dict[str, Any] = {
        "pretrained_model_name_or_path": str(folder),
        "local_files_only": True,
    }
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(**where)
            model, seen = AutoModel.from_pretrained(
                **where,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                **_without_pooler(folder),
            )
        limit = min(tokenizer.model_max_length, _limit(model.config))
        tokenizer(["a", "a b"], padding=True)
    except Exception as fault:  # transformers and tokenizers raise many types
        said = " ".join(str(fault).split())[:200]
        raise ModelError(f"model {name}: cannot be loaded: {said}") from None
    _refuse_random_weights(model, seen["missing_keys"], name)
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise ModelError(
            f"model {name}: has no vocabulary beside special tokens; its folder needs the "
            "tokenizer's files too, such as tokenizer.json"
        )
    if len(tokenizer) > model.config.vocab_size:
        raise ModelError(
            f"model {name}: its tokenizer has {len(tokenizer):,} tokens, the model "
            f"{model.config.vocab_size:,}"
        )
    tokenizer.model_max_length = limit
    return model, tokenizer


def _refuse_random_weights(model: Any, missing: Iterable[str], name: str) -> None:
    """Raise ModelError for weights that the files lack, for which transformers draws some."""
    import torch

    lacking = sorted(key for key in missing if "position_ids" not in key and "pooler" not in key)
    if lacking:
        raise ModelError(
            f"model {name}: its files lack {len(lacking)} weights, such as {lacking[0]}"
        )
    if not all(bool(torch.isfinite(weights).all()) for weights in model.parameters()):
        raise ModelError(f"model {name}: has weights that are NaN or infinite")


def _without_pooler(folder: Path) -> dict[str, Any]:
    kind = json.loads((folder / "config.json").read_bytes())["model_type"]
    return {} if kind == "electra" else {"add_pooling_layer": False}  # electra has none at all


def _limit(config: Any) -> int:
    """The most tokens that positions are there for; RoBERTa's begin behind the padding's."""
    offset: int = {"bert": 0, "electra": 0, "mpnet": 2}.get(
        config.model_type, config.pad_token_id + 1
    )
    return min(_MOST_TOKENS, int(config.max_position_embeddings) - offset)


def write_model(bert: Any, tokenizer: Any, folder: Path) -> None:
    """Write an encoder that transformers and sentence-transformers load.

    Its vector is the last layer at the first token (cls_before_pooler). Texts are cut at the
    model's own limit, not at the length that it was trained with.
    """
    with quiet():
        bert.save_pretrained(folder, safe_serialization=True)
        tokenizer.save_pretrained(folder)
    modules = [("0", "", "Transformer"), ("1", _POOLING, "Pooling")]
    write_json(
        folder / "modules.json",
        [
            {"idx": k, "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
            for k, (name, path, kind) in enumerate(modules)
        ],
    )
    write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": tokenizer.model_max_length, "do_lower_case": False},
    )
    write_json(
        folder / _POOLING / "config.json",
        {
            "word_embedding_dimension": bert.config.hidden_size,
            "pooling_mode_cls_token": True,
            "pooling_mode_mean_tokens": False,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )


def write_json(file: Path, value: Any) -> None:
    """Write JSON for people to read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
