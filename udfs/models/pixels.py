"""Decode images to the pixels that a model takes, with all CPUs of the task."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from udfs.images.decoding import Image
from udfs.models.decoders import decode_here, decoders_of_worker
from udfs.models.geometry import Geometry
from udfs.models.threads import map_in_threads
from udfs.tasks import task_cpus

# What a thread, or its process, takes at once; less where it would leave others without work.
_MOST_IMAGES, _MOST_BYTES, _CHUNKS_OF_A_THREAD = 16, 4_000_000, 4
# From these on, threads that decode wait for Python's lock: 4 were 3.2 times as fast as one,
# 8 no more than 3.8 times.
_CPUS_FOR_PROCESSES = 4


class Preprocessing(NamedTuple):
    """open_clip's preprocessing of a model: of the geometry on the host, of the values anywhere.

    `mean`, `std`: of each channel, for values between 0 and 1.
    """

    geometry: Geometry
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def preprocessing_of(visual: Any, *, rgb_first: bool = False) -> Preprocessing:
    """The preprocessing of a vision tower of open_clip; `rgb_first` as in ModelSpec."""
    from open_clip.transform import PreprocessCfg
    from PIL.Image import Resampling

    config = PreprocessCfg(**visual.preprocess_cfg)
    height, width = config.size if not isinstance(config.size, int) else (config.size,) * 2
    is_bilinear = config.interpolation == "bilinear"
    geometry = Geometry(
        height,
        width,
        config.resize_mode or "shortest",
        int(Resampling.BILINEAR if is_bilinear else Resampling.BICUBIC),
        rgb_first,
        config.fill_color,
    )
    return Preprocessing(geometry, config.mean, config.std)


def decode_images(
    items: Sequence[Image], preprocessing: Preprocessing, *, is_pinned: bool
) -> tuple[Any, dict[int, str]]:
    """(pixels, uint8 (n, height, width, 3), position -> reason of an image that has none).

    `is_pinned`: in memory that a GPU copies from by itself. A task that has a GPU and four CPUs or
    more decodes in as many processes, others in threads.
    """
    import torch

    geometry = preprocessing.geometry
    pixels = torch.empty(
        (len(items), geometry.height, geometry.width, 3), dtype=torch.uint8, pin_memory=is_pinned
    )
    rows, n_cpus = pixels.numpy(), task_cpus()
    in_processes = is_pinned and n_cpus >= _CPUS_FOR_PROCESSES
    decode = decoders_of_worker(n_cpus).decode if in_processes else decode_here

    def faults_of(chunk: range) -> list[tuple[int, str]]:
        part = slice(chunk.start, chunk.stop)
        reasons = decode(items[part], geometry, rows[part])
        return [(k, reason) for k, reason in zip(chunk, reasons, strict=True) if reason is not None]

    chunks = map_in_threads(faults_of, _chunks(items, n_cpus))
    return pixels, {position: reason for faults in chunks for position, reason in faults}


def _chunks(items: Sequence[Image], n_threads: int) -> Iterator[range]:
    """Consecutive positions that a thread takes at once."""
    most = min(max(len(items) // (_CHUNKS_OF_A_THREAD * n_threads), 1), _MOST_IMAGES)
    start = n_bytes = 0
    for stop, item in enumerate(items, 1):
        n_bytes += len(item)
        if stop - start == most or n_bytes >= _MOST_BYTES or stop == len(items):
            yield range(start, stop)
            start, n_bytes = stop, 0


def normalised(pixels: Any, preprocessing: Preprocessing) -> Any:
    """Pixels (n, height, width, 3) as open_clip's tensors (n, 3, height, width), float32.

    The operations are those of torchvision, on any device: they differ by rounding at most.
    """
    import torch

    values = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    mean, std = (
        torch.tensor(numbers, device=pixels.device).view(3, 1, 1)
        for numbers in (preprocessing.mean, preprocessing.std)
    )
    return values.div_(255).sub_(mean).div_(std)
