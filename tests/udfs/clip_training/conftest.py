"""Small shards and a small model, on which a training takes seconds."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from udfs.images.webdataset_shards import shard_name, write_shards

MakeShards = Callable[..., list[str]]


def image_of(k: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(k).integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(np.kron(pixels, np.ones((4, 4, 1), np.uint8))).save(stream, "JPEG")
    return stream.getvalue()


def record_of(k: int) -> dict[str, Any]:
    return {"uid": f"{k:032x}", "caption": f"number {k}"}


def make_shards(
    folder: Path,
    sizes: Sequence[int],
    *,
    broken: Sequence[int] = (),
    record_of: Callable[[int], dict[str, Any]] = record_of,
    with_sizes: bool = True,
) -> list[str]:
    """Shards of so many samples; of the images in `broken` only the first bytes are there."""
    folder.mkdir(parents=True, exist_ok=True)
    n = sum(sizes)
    columns = {
        "shard": pa.array(np.repeat(np.arange(len(sizes)), sizes), pa.int32()),
        "place": pa.array(range(n), pa.int64()),
        "image": pa.array([image_of(k)[: 200 if k in broken else None] for k in range(n)]),
        "text": pa.array([f"number {k}" for k in range(n)]),
        "record": pa.array([json.dumps(record_of(k)) for k in range(n)]),
    }
    rows = pa.RecordBatch.from_pydict(columns)
    assert len([*write_shards(str(folder), len(sizes))([rows])]) == len(sizes)
    names = [shard_name(number, len(sizes)) for number in range(len(sizes))]
    if with_sizes:
        by_name = dict(zip(names, sizes, strict=True))
        (folder / "sizes.json").write_text(json.dumps(by_name))
    return [str(folder / name) for name in names]


@pytest.fixture
def shard_maker() -> MakeShards:
    return make_shards
