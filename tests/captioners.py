"""Small models that caption images, with random weights, as checkpoints; photographs for them."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZE = 32
WORDS = [*("a", "the", "cat", "dog", "photo", "of", "on", "in", "red"), "tree", "house", "##ing"]
WORDS += ["sea", "boat", "man", "##s", "two"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
_SPREAD = 0.6  # of the weights: with the usual 0.02 every image has the same caption
_VISION = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": SIZE, "patch_size": 16, "initializer_range": _SPREAD,
}  # fmt: skip


def make_blip(folder: Path, seed: int = 0) -> Path:
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration

    text = {
        "vocab_size": len(SPECIAL) + len(WORDS), "hidden_size": 16, "encoder_hidden_size": 16,
        "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 64, "initializer_range": _SPREAD, "projection_dim": 16,
        "bos_token_id": SPECIAL.index("[DEC]"), "sep_token_id": SPECIAL.index("[SEP]"),
        "eos_token_id": SPECIAL.index("[SEP]"), "pad_token_id": 0,
    }  # fmt: skip
    torch.manual_seed(seed)
    config = BlipConfig(text_config=text, vision_config=_VISION, projection_dim=16)
    _save(BlipForConditionalGeneration(config), folder)
    _save_words(folder)
    return folder


def save_blip(folder: Path) -> None:
    """BLIP of the published size (base, images of 224 pixels), whose words are numbers."""
    from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration

    model = BlipForConditionalGeneration(BlipConfig(vision_config={"image_size": 224}))
    _save(model, folder, model.config.vision_config.image_size)
    words = [f"w{number}" for number in range(model.config.text_config.vocab_size - len(SPECIAL))]
    BertTokenizer(vocab={w: i for i, w in enumerate([*SPECIAL, *words])}).save_pretrained(folder)


def make_blip2(folder: Path, seed: int = 0, n_queries: int = 4) -> Path:
    import torch
    from transformers import Blip2Config, Blip2ForConditionalGeneration, OPTConfig

    n_words = len(SPECIAL) + len(WORDS)
    text = OPTConfig(
        vocab_size=n_words + 1, hidden_size=16, word_embed_proj_dim=16, ffn_dim=32,
        num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64, init_std=_SPREAD,
        bos_token_id=SPECIAL.index("[DEC]"), eos_token_id=SPECIAL.index("[SEP]"), pad_token_id=0,
    )  # fmt: skip
    former = {
        "vocab_size": 8, "hidden_size": 16, "encoder_hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": _SPREAD,
    }  # fmt: skip
    torch.manual_seed(seed)
    config = Blip2Config(
        vision_config=_VISION, qformer_config=former, text_config=text.to_dict(),
        num_query_tokens=n_queries, image_token_index=n_words,
    )  # fmt: skip
    model = Blip2ForConditionalGeneration(config)
    torch.nn.init.normal_(model.query_tokens)
    torch.nn.init.normal_(model.language_projection.weight, std=3.0)
    _save(model, folder)
    _save_words(folder)
    return folder


def make_coca(folder: Path, seed: int = 0) -> Path:
    import open_clip
    import torch
    from safetensors.torch import save_file

    text = {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    config: dict[str, Any] = {
        "model_cfg": {
            "embed_dim": 16,
            "custom_text": True,
            "vision_cfg": {"image_size": SIZE, "layers": 1, "width": 16, "patch_size": 16,
                           "head_width": 8, "attentional_pool": True, "attn_pooler_heads": 2,
                           "output_tokens": True},
            "text_cfg": text | {"embed_cls": True, "output_tokens": True},
            "multimodal_cfg": text | {"attn_pooler_heads": 2},
        },
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=_SPREAD)
    # Few tokens have nearly all of the probability, as in a trained model.
    torch.nn.init.normal_(model.text_decoder.text_projection, std=4.0)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def _save(model: Any, folder: Path, size: int = SIZE) -> None:
    from transformers import BlipImageProcessor

    model.save_pretrained(folder)
    BlipImageProcessor(size={"height": size, "width": size}).save_pretrained(folder)


def _save_words(folder: Path) -> None:
    from transformers import BertTokenizer

    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *WORDS])}
    BertTokenizer(vocab=vocabulary, bos_token="[DEC]").save_pretrained(folder)


MAKERS: dict[str, Callable[..., Path]] = {
    "blip": make_blip,
    "blip2": make_blip2,
    "coca": make_coca,
}


def photographs(n: int) -> list[bytes]:
    """Parts of two photographs, as JPEG."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    pictures = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    files = []
    for k in range(n):
        file, left = io.BytesIO(), 90 * (k // 2 % 5)
        part = pictures[k % 2].crop((left, 10 * k % 200, left + 160 + k, 10 * k % 200 + 200))
        part.save(file, "JPEG")
        files.append(file.getvalue())
    return files
