"""Decode and resize images for a model in threads, in processes, and as embed-images does.

    python -m benchmarks.image_decoding [IMAGES [CPUS]]

JPEG files of 256 to 400 pixels become 224 x 224. Images per second of wall time, and milliseconds
of CPU that this process took for each beside its decoder processes. `windows`: of 512 images, two
at once, in pinned memory and processes where there are a GPU and four CPUs. `DataLoader`: as the
bare loop of `benchmarks.gpu` loads images, in a process for each CPU.
"""

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.gpu import device_name, transformed
from benchmarks.model_inputs import make_photos
from udfs.models import pixels
from udfs.models.decoders import Decoders, decode_here
from udfs.models.encoder import prepare_ahead
from udfs.models.geometry import Geometry
from udfs.models.pixels import Preprocessing, decode_images

_SIDE, _WINDOW, _ROUNDS = 224, 512, 2
_GEOMETRY = Geometry(_SIDE, _SIDE, "shortest")


def main(n: int, n_cpus: int) -> None:
    photos = make_photos(n)
    loader = _loader(photos, n_cpus)  # first: it forks, which goes ill with threads
    _load(loader)
    _print(f"DataLoader, {n_cpus} processes", n, partial(_load, loader))
    del loader
    counts = sorted({1, 4, 8, 16, n_cpus} & set(range(1, n_cpus + 1)))
    for count in counts:
        some = photos[: max(n * count // n_cpus, 1)]
        _print(f"{count} threads", len(some), partial(_decode, some, decode_here, count))
    for count in counts[1:] or counts:
        some, decoders = photos[: max(n * count // n_cpus, 1)], Decoders(count)
        _decode(some, decoders.decode, count)  # starts them
        _print(f"{count} processes", len(some), partial(_decode, some, decoders.decode, count))
        decoders.end()
    _windows(photos, n_cpus)  # starts them
    _print(f"windows, {n_cpus} CPUs", n, partial(_windows, photos, n_cpus))


def _print(name: str, n: int, work: Callable[[], None]) -> None:
    per_s, cpu_ms = [], []
    for _ in range(_ROUNDS):
        start, cpu_start = time.monotonic(), time.process_time()
        work()
        per_s.append(f"{n / (time.monotonic() - start):,.0f}")
        cpu_ms.append(f"{1e3 * (time.process_time() - cpu_start) / n:.2f}")
    print(f"{name}: {' and '.join(per_s)} images/s, {' and '.join(cpu_ms)} ms here", flush=True)


def _decode(photos: list[bytes], decode: Callable[..., list[str | None]], count: int) -> None:
    rows = np.empty((len(photos), _SIDE, _SIDE, 3), np.uint8)

    def of_chunk(chunk: range) -> list[str | None]:
        part = slice(chunk.start, chunk.stop)
        return decode(photos[part], _GEOMETRY, rows[part])

    with ThreadPoolExecutor(count) as pool:
        for reasons in pool.map(of_chunk, pixels._chunks(photos, count)):
            assert not any(reasons)


def _windows(photos: list[bytes], n_cpus: int) -> None:
    """As embed-images: a window is decoded while others are."""
    has_gpu = device_name() != "cpu"
    preprocessing = Preprocessing(_GEOMETRY, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    windows = (photos[start : start + _WINDOW] for start in range(0, len(photos), _WINDOW))
    decode = partial(decode_images, preprocessing=preprocessing, is_pinned=has_gpu)
    with (
        mock.patch.object(pixels, "task_cpus", return_value=n_cpus),
        mock.patch("udfs.models.threads.task_cpus", return_value=n_cpus),
    ):
        for _, (_, faults) in prepare_ahead(windows, decode, n_at_once=2):
            assert not faults


def _loader(photos: list[bytes], n_cpus: int) -> Any:
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from torch.utils.data import DataLoader

    return DataLoader(
        photos,  # type: ignore[arg-type]
        batch_size=256,
        num_workers=n_cpus,
        collate_fn=partial(transformed, image_transform_v2(PreprocessCfg(), is_train=False)),
        pin_memory=device_name() != "cpu",
        persistent_workers=True,
        prefetch_factor=4,
        timeout=120,
    )


def _load(loader: Any) -> None:
    for _ in loader:
        pass


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 4_000,
        int(sys.argv[2]) if len(sys.argv) > 2 else len(os.sched_getaffinity(0)),
    )
