"""Embedding on a GPU, without Spark, beside a bare loop of open_clip.

    python -m benchmarks.gpu [FOLDER [SECONDS [BATCH]]]

Ours: Arrow batches of captions or of JPEG files in, vectors on the host out (`embed_with_model`).
The bare side: open_clip's tokeniser or transform in a DataLoader with a process per CPU and pinned
memory, its tower in pure bf16, all vectors fetched at the end. Batches of BATCH items on both
sides. Wall seconds, medians of 3 interleaved rounds with loaded models. Captions are real ones,
numbered once they repeat; photos are made up, and so are the weights.
"""

import gc
import io
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.measuring import report
from benchmarks.model_inputs import make_captions, make_photos, random_weights
from udfs.models.embedding import embed_with_model
from udfs.models.loading import Modality, encoder_of_task
from udfs.models.spec import ModelSpec
from udfs.vectors import Vectors

CLIPS = ("ViT-B-32", "ViT-L-14")
ROUNDS = 3
PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0}  # dense bf16, by NVIDIA's datasheets
_BATCH_ROWS = 10_000  # of an Arrow batch, as Spark makes them
_N_COMPARED = 16  # items that are embedded in float32 too
_MOST_BYTES = 4 << 30  # of made-up items


class _Sides(NamedTuple):
    """The two ways to embed the same items; each gives vectors (n, dimension) on the host."""

    bare: Callable[[], Vectors]
    ours: Callable[[], Vectors]


def main(folder: Path, seconds: float, batch_size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for clip in CLIPS:
        weights = str(random_weights(folder, f"open_clip:{clip}"))
        spec = ModelSpec(f"open_clip:{clip}", weights, batch_size=batch_size)
        for modality in ("text", "image"):
            rows.append(compared(spec, modality, seconds))  # type: ignore[arg-type]
            report("gpu", rows, folder, rounds=ROUNDS)
            gc.collect()


def compared(spec: ModelSpec, modality: Modality, seconds: float) -> dict[str, Any]:
    """Items per second of both sides and how far off vectors are; a row of the table."""
    make = make_captions if modality == "text" else make_photos
    items: list[Any] = make(32 * spec.batch_size)
    bare_model = load_bare(spec)
    encoder_of_task(spec, modality)
    timed(_sides(spec, modality, bare_model, items).ours)  # compiles, allocates
    probe_s, _ = timed(_sides(spec, modality, bare_model, items).ours)
    n = int(len(items) * max(seconds / probe_s, 1))
    n = min(n, _MOST_BYTES // (sum(map(len, items)) // len(items)))
    items = make(n)
    sides = _sides(spec, modality, bare_model, items)
    seconds_by_side: dict[str, list[float]] = {"bare": [], "ours": []}
    for turn in range(ROUNDS + 1):
        for name, side in sides._asdict().items():
            elapsed_s, vectors = timed(side)
            print(f"{spec.name} {modality} {name}: {n / elapsed_s:,.0f}/s", flush=True)
            if turn:
                seconds_by_side[name].append(elapsed_s)
    bare_s, ours_s = (np.array(seconds_by_side[name]) for name in ("bare", "ours"))
    exact = in_single_precision(spec, modality, items[:_N_COMPARED])
    row = {
        "model": spec.name.rpartition(":")[2],
        "of": f"{modality}s",
        "items": n,
        "bare loop, items/s": n / float(np.median(bare_s)),
        "captionlake, items/s": n / float(np.median(ours_s)),
        "times as fast": float(np.median(bare_s / ours_s)),
        "1 - cosine, 1e-6": 1e6 * (1 - least_cosine(vectors[: len(exact)], exact)),
    }
    return row | _share_of_peak(spec, modality, items, n / statistics.median(ours_s.tolist()))


def least_cosine(some: Vectors, others: Vectors) -> float:
    """The least cosine of a unit vector and its counterpart."""
    return float(np.einsum("ij,ij->i", some, others, dtype=np.float64).min())


def timed(work: Callable[[], Vectors]) -> tuple[float, Vectors]:
    """Wall seconds of a call, and what it gives."""
    start = time.monotonic()
    vectors = work()
    return time.monotonic() - start, vectors


def device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def load_bare(spec: ModelSpec, precision: str = "pure_bf16", device: str | None = None) -> Any:
    """(model, transform, tokenize) of open_clip."""
    import open_clip
    import torch

    name = spec.name.partition(":")[2]
    model, _, transform = open_clip.create_model_and_transforms(
        name,
        pretrained=str(spec.weights),
        precision=precision,
        device=device or ("cuda" if torch.cuda.is_available() else "cpu"),
    )
    return model.eval(), transform, open_clip.get_tokenizer(name)


def _sides(spec: ModelSpec, modality: Modality, bare_model: Any, items: list[Any]) -> _Sides:
    from torch.utils.data import DataLoader

    model, transform, tokenize = bare_model
    prepare = tokenize if modality == "text" else partial(transformed, transform)
    n_processes = len(os.sched_getaffinity(0))
    loader: Any = DataLoader(
        items,  # type: ignore[arg-type]
        batch_size=spec.batch_size,
        num_workers=n_processes,
        collate_fn=prepare,
        pin_memory=device_name() != "cpu",
        persistent_workers=True,
        prefetch_factor=4,
        timeout=120,
    )
    tower = model.encode_text if modality == "text" else model.encode_image
    batches = list(_arrow_batches(items))
    return _Sides(
        partial(encode_bare, tower, loader, next(model.parameters())),
        partial(encode_ours, spec, modality, batches),
    )


def transformed(transform: Callable[[Any], Any], files: list[bytes]) -> Any:
    """Images as open_clip prepares them, (n, 3, height, width)."""
    import torch
    from PIL import Image

    return torch.stack([transform(Image.open(io.BytesIO(file))) for file in files])


def encode_bare(tower: Callable[..., Any], loader: Any, like: Any) -> Vectors:
    """Unit vectors by the bare loop; floating inputs get the dtype of the parameter `like`."""
    import torch

    vectors = []
    with torch.inference_mode():
        for batch in loader:
            on_device = batch.to(like.device, non_blocking=True)
            if on_device.is_floating_point():
                on_device = on_device.to(like.dtype)
            vectors.append(tower(on_device, normalize=True).float())
        fetched: Vectors = torch.cat(vectors).cpu().numpy()
    return fetched


def encode_ours(spec: ModelSpec, modality: Modality, batches: list[pa.RecordBatch]) -> Vectors:
    """Unit vectors by the functions that embed-texts and embed-images run in their tasks."""
    windows = embed_with_model(spec, modality, batches, "item")
    return np.concatenate([window.vectors for window in windows])


def _arrow_batches(items: list[Any]) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(items), _BATCH_ROWS):
        yield pa.RecordBatch.from_pydict({"item": items[start : start + _BATCH_ROWS]})


def in_single_precision(spec: ModelSpec, modality: Modality, items: list[Any]) -> Vectors:
    """Unit vectors by open_clip on the CPU in float32."""
    import torch

    model, transform, tokenize = load_bare(spec, "fp32", "cpu")
    with torch.inference_mode():
        if modality == "text":
            vectors: Vectors = model.encode_text(tokenize(items), normalize=True).numpy()
        else:
            images = transformed(transform, items)
            vectors = model.encode_image(images, normalize=True).numpy()
    return vectors


def _share_of_peak(
    spec: ModelSpec, modality: Modality, items: list[Any], items_per_s: float
) -> dict[str, float | None]:
    """Mean tokens of the texts, TFLOP/s, and their share of the device's bf16 peak.

    Tokens that the texts have count, those of padding do not: for each, 24 width^2 operations a
    layer in the linear maps and 2 n width in causal attention over n tokens.
    """
    import open_clip

    if modality == "image":
        return {"tokens": None, "TFLOP/s": None, "of peak": None}
    name = spec.name.partition(":")[2]
    text = open_clip.get_model_config(name)["text_cfg"]
    n = open_clip.get_tokenizer(name)(items[:5_000]).argmax(dim=-1).numpy() + 1.0
    flop = text["layers"] * (24 * text["width"] ** 2 * n + 2 * text["width"] * n**2)
    tflops = float(flop.mean()) * items_per_s / 1e12
    peak = next((peak for gpu, peak in PEAK_TFLOPS.items() if gpu in device_name()), np.nan)
    return {"tokens": float(n.mean()), "TFLOP/s": tflops, "of peak": tflops / peak}


if __name__ == "__main__":
    main(
        Path(sys.argv[1] if len(sys.argv) > 1 else "bench"),
        float(sys.argv[2]) if len(sys.argv) > 2 else 3.0,
        int(sys.argv[3]) if len(sys.argv) > 3 else 256,
    )
