"""Pixels from several threads, normalised apart from them: open_clip's own tensors."""

import io
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from udfs.models.pixels import decode_in_threads, normalised, preprocessing_of
from udfs.models.threads import map_in_threads


def encoded(size: tuple[int, int], mode: str, form: str) -> bytes:
    pixels = np.random.default_rng(size[0]).integers(0, 255, (*size, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(written, form)
    return written.getvalue()


def test_pixels_are_those_of_open_clip_to_the_last_bit(tiny_clip: Path) -> None:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tiny_clip}")
    preprocessing = preprocessing_of(model.visual)
    items = [
        encoded((40 + 3 * k, 90 - 2 * k), mode, form)
        for k, (mode, form) in enumerate(
            [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("P", "PNG"), ("RGBA", "WEBP")] * 3
        )
    ]
    pixels, faults = decode_in_threads([*items, b"GIF89a", b""], preprocessing, is_pinned=False)
    assert faults == {15: "image_broken", 16: "image_format"}
    assert pixels.dtype == torch.uint8
    expected = torch.stack([transform(Image.open(io.BytesIO(item))) for item in items])
    assert torch.equal(normalised(pixels[:15], preprocessing), expected)


def test_results_of_threads_are_in_order_and_faults_are_raised() -> None:
    assert map_in_threads(lambda k: k * k, range(100)) == [k * k for k in range(100)]
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda k: 1 // k, range(3))
