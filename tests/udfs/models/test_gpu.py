"""Encoders on a GPU: what the CPU gives, but for the rounding of bf16."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from udfs.models import device, pixels
from udfs.models.decoders import Decoders
from udfs.models.embedding import embed_windows, embed_with_model
from udfs.models.encoder import encode
from udfs.models.loading import encoder_of_task
from udfs.models.spec import ModelError, ModelSpec

pytestmark = pytest.mark.gpu


def pictures(n: int) -> list[bytes]:
    draws = np.random.default_rng(0)
    files = []
    for _ in range(n):
        written = io.BytesIO()
        Image.fromarray(draws.integers(0, 255, (50, 40, 3), np.uint8)).save(written, "PNG")
        files.append(written.getvalue())
    return files


ITEMS: dict[str, list[Any]] = {
    "text": ["a cat", "", "word " * 100, "crème 猫", *("dog " * k for k in range(60))],
    "image": [*pictures(9), b"none"],
}


@pytest.mark.parametrize("modality", ["text", "image"])
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-5), ("fp16", 1e-4), ("bf16", 1e-4)]
)
def test_a_gpu_gives_the_vectors_of_the_cpu(
    tiny_clip: Path, modality: Any, precision: Any, tolerance: float
) -> None:
    vectors = []
    for on, how in (("cpu", "fp32"), ("cuda", precision)):
        spec = ModelSpec(f"open_clip:{tiny_clip}", device=on, precision=how, batch_size=4)  # type: ignore[arg-type]
        encoder = encoder_of_task(spec, modality)
        found, faults = encode(encoder, encoder.prepare(ITEMS[modality]))
        assert faults == ({9: "image_format"} if modality == "image" else {})
        vectors.append(found)
    is_sound = vectors[0].any(axis=1)
    cosines = np.einsum("ij,ij->i", *vectors)
    assert cosines[is_sound].min() > 1 - tolerance
    assert not cosines[~is_sound].any()


def test_images_decoded_in_processes_are_not_mixed_up(
    tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoders = Decoders(4)
    monkeypatch.setattr(pixels, "task_cpus", lambda: 4)
    monkeypatch.setattr(pixels, "decoders_of_worker", lambda _: decoders)
    items = [*pictures(150), b"none", None, *pictures(20)]
    batch = pa.RecordBatch.from_arrays([pa.array(items, pa.binary())], ["image"])
    vectors, faults = [], []
    for on in ("cpu", "cuda"):
        spec = ModelSpec(f"open_clip:{tiny_clip}", device=on, precision="fp32", batch_size=8)  # type: ignore[arg-type]
        windows = list(embed_with_model(spec, "image", [batch], "image"))
        vectors.append(np.concatenate([window.vectors for window in windows]))
        faults.append([fault for window in windows for fault in window.faults.to_pylist()])
    assert any(process is not None for process in decoders._idle.queue)
    decoders.end()
    assert faults[0] == faults[1]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-4)


def test_windows_are_not_mixed_up(tiny_clip: Path) -> None:
    texts = [f"{k % 700} dogs" if k % 5 else None for k in range(4_000)]
    encoder = encoder_of_task(ModelSpec(f"open_clip:{tiny_clip}", device="cuda"), "text")
    batch = pa.RecordBatch.from_arrays([pa.array(texts)], ["text"])
    windows = list(embed_windows([batch], "text", encoder, 128))
    vectors = np.concatenate([window.vectors for window in windows])
    distinct = sorted({text for text in texts if text})
    expected, _ = encode(encoder, encoder.prepare(distinct))
    for vector, text in zip(vectors, texts, strict=True):
        if text is None:
            assert not vector.any()
        else:
            assert vector @ expected[distinct.index(text)] > 0.999


def test_a_gpu_without_room_for_the_weights_is_named(tiny_clip: Path) -> None:
    import torch

    spec = ModelSpec(f"open_clip:{tiny_clip}", device="cuda")
    message = r"cuda:0 has no room for its weights \([\d,]+ of [\d,]+ MB"
    with pytest.raises(ModelError, match=message), device.memory_for(spec, "cuda:0"):
        torch.empty(1 << 50, device="cuda")
