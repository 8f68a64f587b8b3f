"""Captions, images and weights for the benchmarks of models."""

import io
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks import inputs


def make_captions(n: int) -> list[str]:
    """N distinct captions: real ones, numbered once they repeat."""
    real = list(dict.fromkeys(inputs.real_captions(10_000).to_pylist()))
    return [
        f"{text} {k // len(real)}" if k >= len(real) else text
        for k, text in zip(range(n), real * (n // len(real) + 1), strict=False)
    ]


def make_images(n: int) -> list[bytes]:
    """N distinct random JPEG files of 256 x 256 pixels, the size that img2dataset writes."""
    from PIL import Image

    generator = np.random.default_rng(0)
    files = []
    for _ in range(n):
        coarse = Image.fromarray(generator.integers(0, 255, (16, 16, 3), np.uint8))
        encoded = io.BytesIO()
        coarse.resize((256, 256), Image.Resampling.BICUBIC).save(encoded, "JPEG")
        files.append(encoded.getvalue())
    return files


def make_photos(n: int) -> list[bytes]:
    """N distinct JPEG files of 256 pictures."""
    pictures = _pictures()
    # Bytes behind the end marker make files differ, so that each is decoded.
    return [pictures[k % len(pictures)] + k.to_bytes(4, "little") for k in range(n)]


@cache
def _pictures() -> list[bytes]:
    """256 random JPEG files with fine detail, their sides 256 to 400 pixels."""
    from PIL import Image

    generator = np.random.default_rng(0)
    pictures = []
    for _ in range(256):
        width, height = generator.integers(256, 401, 2).tolist()
        coarse = Image.fromarray(generator.integers(0, 255, (24, 24, 3), np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)
        detailed = smooth + generator.normal(0, 4, smooth.shape).astype(np.float32)
        encoded = io.BytesIO()
        Image.fromarray(detailed.clip(0, 255).astype(np.uint8)).save(encoded, "JPEG", quality=90)
        pictures.append(encoded.getvalue())
    return pictures


def random_weights(folder: Path, name: str) -> Path:
    """A checkpoint of the architecture with random weights, written if absent."""
    import open_clip
    from safetensors.torch import save_file

    file = folder / f"{name.partition(':')[2]}.safetensors"
    if not file.exists():
        save_file(open_clip.create_model(name.partition(":")[2]).state_dict(), file)
    return file
