"""Images from their files, in the modes that open_clip's transforms take as they should."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = bytes | str  # encoded, or the path of a file that the worker can read

_OF_16_BITS = 65_535.0
_OF_31_BITS = 2.0**31 - 1
_GREY = ("I", "F")  # and I;16, I;16B, I;16L, I;16N


def decoded(item: Image) -> Any:
    """The image as Pillow has it, but grey of more than 8 bits scaled to 8.

    All else is left to open_clip's transform, which resizes in the mode of the file and then makes
    it RGB: pixels are taken as they are stored, whatever orientation EXIF asks for, and of
    transparent ones the colour behind the transparency, mostly black.
    """
    from PIL import Image as Pillow

    opened = Pillow.open(io.BytesIO(item) if isinstance(item, bytes) else item)
    opened.load()  # all of it, so a file that was cut off is told
    if opened.mode.startswith("I;16") or opened.mode in _GREY:
        return Pillow.fromarray(_eight_bits(np.asarray(opened), opened.mode), "L")
    return opened


def _eight_bits(pixels: NDArray[Any], mode: str) -> NDArray[np.uint8]:
    """Grey values scaled from their range to 0 ... 255, what lies below 0 being black.

    The range is 16 bits of integers, or 31 where some are larger. Of floats, which no format gives
    a range, it is the least of 1, 255, 16 and 31 bits that holds them. Raises ValueError where one
    is no number.
    """
    values = pixels.astype(np.float64)
    largest = float(values.max(initial=0))
    if not np.isfinite(values).all():
        raise ValueError("a pixel is no number")
    ranges = (1.0, 255.0, _OF_16_BITS, _OF_31_BITS) if mode == "F" else (_OF_16_BITS, _OF_31_BITS)
    full = next((top for top in ranges if largest <= top), largest)
    scaled: NDArray[np.uint8] = np.rint(values.clip(0) * (255 / full)).astype(np.uint8)
    return scaled
