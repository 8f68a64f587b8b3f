"""Perceptual hashes of images, 64 bits each, as the library ImageHash computes them.

Similar pictures have hashes of a small Hamming distance. A hash is stored as a signed integer of 64
bits, the first bit of ImageHash's hexadecimal form on top.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.images.decoding import ImageError, decode_image

HashKind = Literal["phash", "dhash"]
NO_IMAGE = "no_image"  # the reason why a row without bytes has no hash
_SIDE, _LOW = 32, 8  # of the picture that is transformed, and of its lowest frequencies
# Coefficients are multiples of this, so that those which should be equal or 0 are, whatever the
# rounding of their sums; they are of the order of 1 to 1e6.
_DECIMALS = 6


def phash(image: Any) -> int:
    """Which of the 8 x 8 lowest frequencies (DCT of the picture in 32 x 32 grey) exceed the median.

    Equal to `imagehash.phash`, but for frequencies that are as large as the median, such as those
    of a picture of one colour: there ImageHash's bit depends on rounding, and ours is 0.
    """
    pixels = _grey(image, _SIDE, _SIDE).astype(np.float64)
    cosines = _dct_matrix()
    low = np.round(cosines @ pixels @ cosines.T, _DECIMALS)
    return _packed(low > np.median(low))


def dhash(image: Any) -> int:
    """Which pixels of the picture in 9 x 8 grey are brighter than their left neighbour.

    Equal to `imagehash.dhash`.
    """
    pixels = _grey(image, _LOW + 1, _LOW)
    return _packed(pixels[:, 1:] > pixels[:, :-1])


HASHES: dict[HashKind, Callable[[Any], int]] = {"phash": phash, "dhash": dhash}


def hash_images(kind: HashKind) -> BatchFunction:
    """Replace the last column, encoded images, by two: their hash, and why there is none."""
    hash_of = HASHES[kind]

    def hashed(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            *others, images = batch.columns
            pairs = [_hash_or_fault(image.as_py(), hash_of) for image in images]
            hashes = pa.array([pair[0] for pair in pairs], pa.int64())
            faults = pa.array([pair[1] for pair in pairs], pa.string())
            names = [*batch.schema.names[:-1], "hash", "hash_fault"]
            yield pa.RecordBatch.from_arrays([*others, hashes, faults], names)

    return hashed


def _hash_or_fault(
    image: bytes | None, hash_of: Callable[[Any], int]
) -> tuple[int | None, str | None]:
    if image is None:
        return None, NO_IMAGE
    try:
        return hash_of(decode_image(image)), None
    except ImageError as fault:
        return None, fault.reason


def _grey(image: Any, width: int, height: int) -> NDArray[np.uint8]:
    from PIL.Image import Resampling

    return np.asarray(image.convert("L").resize((width, height), Resampling.LANCZOS))


@lru_cache(maxsize=1)
def _dct_matrix() -> NDArray[np.float64]:
    """The _LOW lowest rows of the discrete cosine transform II of _SIDE values."""
    frequency, place = np.arange(_LOW)[:, None], np.arange(_SIDE)
    matrix: NDArray[np.float64] = 2 * np.cos(np.pi * frequency * (2 * place + 1) / (2 * _SIDE))
    return matrix


def _packed(bits: NDArray[np.bool_]) -> int:
    """64 bits, row by row, the first on top, as a signed integer."""
    return int.from_bytes(np.packbits(bits).tobytes(), "big", signed=True)
