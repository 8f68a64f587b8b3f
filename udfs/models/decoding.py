"""Images from their files, of four formats and bounded size, as open_clip's transforms take them.

Files come from strangers: the format is told by content, the size by the header, and only then is
anything decoded.
"""

import io
import os
import stat
import warnings
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from udfs.models.image_formats import HEAD_BYTES, image_format, webp_pixels

Image = bytes | str  # encoded, or the path of a file that the worker can read

MAX_PIXELS = 50_000_000
MAX_RATIO = 500  # of the sides: a transform scales the shorter one up to that of the model
_MOST_OF_JPEG = (
    1024  # pixels a byte: each block of 64 takes a bit at least, also in progressive ones
)
# Reasons of rows without a vector.
NO_FILE, NOT_REGULAR, FORMAT = "no_such_file", "no_regular_file", "image_format"
TOO_LARGE, TOO_NARROW, BROKEN = "image_too_large", "image_too_narrow", "image_broken"


class ImageError(ValueError):
    """An image that is not decoded; `reason` is for the row's `fault`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode_image(item: Image) -> Any:
    """The image as Pillow has it, but grey of 16 bits scaled to 8; ImageError where it is refused.

    JPEG, PNG, WebP and GIF are decoded, by content whatever the name, of at most 50 megapixels and
    sides of at most 500 to 1; of several frames the first. A file that was cut off is refused, but
    of a JPEG whose end was sewn on again, as open_clip has it, the missing part is grey. Pixels are
    taken as they are stored, whatever orientation EXIF asks for, and of transparent ones the colour
    behind the transparency, mostly black: all this is left to open_clip's transform, which resizes
    in the mode of the file and then makes it RGB.
    """
    with _opened(item) as file:
        try:
            return _decoded(file)
        except ImageError:
            raise
        except Exception as fault:  # Pillow raises of many kinds, by format and by what is broken
            is_bomb = isinstance(fault, _bombs())
            raise ImageError(TOO_LARGE if is_bomb else BROKEN) from None


def _opened(item: Image) -> BinaryIO:
    if isinstance(item, bytes):
        return io.BytesIO(item)
    try:
        if not stat.S_ISREG(os.stat(item).st_mode):  # a pipe or device is waited for without end
            raise ImageError(NOT_REGULAR)
        return open(item, "rb")
    except (OSError, ValueError) as fault:  # ValueError: a NUL in the path
        if isinstance(fault, ImageError):
            raise
        raise ImageError(NO_FILE) from None


def _decoded(file: BinaryIO) -> Any:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    kind = image_format(head)
    if kind is None:
        raise ImageError(FORMAT)
    if kind == "WEBP" and webp_pixels(head) > MAX_PIXELS:
        raise ImageError(TOO_LARGE)
    opened = _pillow().open(file, formats=[kind])
    short, long = sorted(opened.size)
    if short * long > MAX_PIXELS:
        raise ImageError(TOO_LARGE)
    if long > MAX_RATIO * short:
        raise ImageError(TOO_NARROW)
    if kind == "JPEG" and short * long > _MOST_OF_JPEG * file.seek(0, os.SEEK_END):
        raise ImageError(BROKEN)
    opened.load()  # all of it, so a file that was cut off is told
    if opened.mode.startswith("I"):
        return _pillow().fromarray(_eight_bits(np.asarray(opened)), "L")
    return opened


@lru_cache(maxsize=1)
def _pillow() -> Any:
    """Pillow, strict: no half of an image, and its warning of a bomb is an error."""
    from PIL import Image as Pillow
    from PIL import ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.filterwarnings("error", category=Pillow.DecompressionBombWarning)
    return Pillow


def _bombs() -> tuple[type[Exception], ...]:
    return _pillow().DecompressionBombError, _pillow().DecompressionBombWarning


def _eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values of 16 bits, which PNG alone has, scaled to 0 ... 255."""
    of_value = np.rint(np.arange(65_536) * (255 / 65_535)).astype(np.uint8)
    scaled: NDArray[np.uint8] = of_value[pixels]
    return scaled
