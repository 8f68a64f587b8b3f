"""Decode images to the pixels that a model takes, in as many threads as the task has CPUs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from udfs.images.decoding import BROKEN, Image, ImageError, decode_image
from udfs.models.threads import map_in_threads

_CHUNK = 4  # images that a thread takes at once


class Preprocessing(NamedTuple):
    """open_clip's preprocessing of a model: of the geometry on the host, of the values anywhere.

    `geometry`: steps from a Pillow image to an RGB one of height x width; `mean`, `std`: of each
    channel, for values between 0 and 1.
    """

    geometry: tuple[Any, ...]
    height: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def preprocessing_of(visual: Any, *, rgb_first: bool = False) -> Preprocessing:
    """The preprocessing of a vision tower of open_clip; `rgb_first` as in ModelSpec."""
    from open_clip.transform import PreprocessCfg, image_transform_v2

    config = PreprocessCfg(**visual.preprocess_cfg)
    # The last two convert to numbers between 0 and 1, and normalise.
    *geometry, _, _ = image_transform_v2(config, is_train=False).transforms
    height, width = config.size if isinstance(config.size, tuple) else (config.size, config.size)
    first = (_as_rgb,) if rgb_first else ()
    return Preprocessing((*first, *geometry), height, width, config.mean, config.std)


def _as_rgb(image: Any) -> Any:
    return image.convert("RGB")


def decode_in_threads(
    items: Sequence[Image], preprocessing: Preprocessing, *, is_pinned: bool
) -> tuple[Any, dict[int, str]]:
    """(pixels, uint8 (n, height, width, 3), position -> reason of an image that has none).

    `is_pinned`: in memory that a GPU copies from by itself.
    """
    import torch

    pixels = torch.empty(
        (len(items), preprocessing.height, preprocessing.width, 3),
        dtype=torch.uint8,
        pin_memory=is_pinned,
    )
    rows = pixels.numpy()
    faults: dict[int, str] = {}

    def decode(start: int) -> None:
        for position in range(start, min(start + _CHUNK, len(items))):
            try:
                rows[position] = _pixels(items[position], preprocessing.geometry)
            except ImageError as fault:
                faults[position] = fault.reason
            except Exception:  # the transform raises many types for odd but decodable images
                faults[position] = BROKEN

    map_in_threads(decode, range(0, len(items), _CHUNK))
    return pixels, faults


def _pixels(item: Image, geometry: tuple[Any, ...]) -> Any:
    image = decode_image(item)
    for step in geometry:
        image = step(image)
    return np.asarray(image)


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
