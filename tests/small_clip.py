"""A small CLIP with random weights, as open_clip loads it."""

import json
from pathlib import Path
from typing import Any


def make_clip(folder: Path, seed: int = 0, **text: Any) -> Path:
    """Write a model of two towers of two layers, with vectors of 16 numbers; `text`: text_cfg."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    config = {
        "model_cfg": {
            "embed_dim": 16,
            "custom_text": "embed_cls" in text,
            "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 16,
                           "head_width": 16},
            "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2,
                         "layers": 2} | text,
        },
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder
