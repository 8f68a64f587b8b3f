"""Decode image files of four formats and bounded size to Pillow images for open_clip's transforms.

Files are untrusted: the format is read from the first bytes and the size from the header before
anything is decoded.
"""

import io
import os
import stat
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from udfs.images.image_formats import HEAD_BYTES, image_format, webp_pixels

T = TypeVar("T")
Image = bytes | str  # encoded bytes, or the path of a file that the worker can read

MAX_PIXELS = 50_000_000
MAX_RATIO = 500  # long side : short side; the transform scales the short side up to the model's
# Upper bound with a margin: a block of 64 pixels takes at least a bit, also in progressive files.
_MAX_JPEG_PIXELS_PER_BYTE = 1024
# Reasons why a row has no vector.
NO_FILE, NOT_REGULAR, FORMAT = "no_such_file", "no_regular_file", "image_format"
TOO_LARGE, TOO_NARROW, BROKEN = "image_too_large", "image_too_narrow", "image_broken"


class ImageError(ValueError):
    """An image cannot be decoded or is refused; `reason` goes into the row's `fault`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode_image(item: Image) -> Any:
    """The image in the file's own mode, 16-bit grey scaled to 8 bits; ImageError if it is refused.

    Accepted are JPEG, PNG, WebP and GIF, by content whatever the name, of up to 50 megapixels and
    side ratios of up to 500; of several frames the first is taken. Truncated files are refused, but
    in a truncated JPEG that has an end marker the missing part is grey. As in open_clip, EXIF
    orientation is ignored and transparent pixels keep their colour (often black): its transform
    resizes in the file's mode and then converts to RGB.
    """
    return _with_image(item, _decoded)


def image_size(item: Image, *, decode: bool) -> tuple[int, int]:
    """Width and height in pixels, from the header; ImageError for what `decode_image` refuses.

    Without `decode`, truncated and damaged pixels are not found, only headers.
    """

    def size(image: Any) -> tuple[int, int]:
        if decode:
            image.load()
        width, height = image.size
        return width, height

    return _with_image(item, size)


def _with_image(item: Image, read: Callable[[Any], T]) -> T:
    """`read` of Pillow's image, whose header was checked; whatever Pillow raises as ImageError."""
    with _opened(item) as file:
        try:
            return read(_checked(file))
        except ImageError:
            raise
        except Exception as fault:  # Pillow raises many types, depending on format and damage
            is_bomb = isinstance(fault, _decompression_bombs())
            raise ImageError(TOO_LARGE if is_bomb else BROKEN) from None


def _opened(item: Image) -> BinaryIO:
    """The encoded image as a file; ImageError if the path is no readable regular file."""
    if isinstance(item, bytes):
        return io.BytesIO(item)
    try:
        if not stat.S_ISREG(os.stat(item).st_mode):  # reading a pipe or device might never end
            raise ImageError(NOT_REGULAR)
        return open(item, "rb")
    except (OSError, ValueError) as fault:  # ValueError: a NUL in the path
        if isinstance(fault, ImageError):
            raise
        raise ImageError(NO_FILE) from None


def _checked(file: BinaryIO) -> Any:
    """Pillow's image, not decoded, of allowed format and size; ImageError, or Pillow's own."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    kind = image_format(head)
    if kind is None:
        raise ImageError(FORMAT)
    if kind == "WEBP" and webp_pixels(head) > MAX_PIXELS:
        raise ImageError(TOO_LARGE)
    image = _pillow().open(file, formats=[kind])
    short, long = sorted(image.size)
    if short * long > MAX_PIXELS:
        raise ImageError(TOO_LARGE)
    if long > MAX_RATIO * short:
        raise ImageError(TOO_NARROW)
    if kind == "JPEG" and short * long > _MAX_JPEG_PIXELS_PER_BYTE * file.seek(0, os.SEEK_END):
        raise ImageError(BROKEN)
    return image


def _decoded(image: Any) -> Any:
    """The image after it was decoded, in 8 bits."""
    image.load()  # decodes all pixels, so a truncated file raises
    if image.mode.startswith("I"):
        return _pillow().fromarray(_to_eight_bits(np.asarray(image)), "L")
    return image


@lru_cache(maxsize=1)
def _pillow() -> Any:
    """Pillow's Image module, set to raise for truncated images and for decompression bombs."""
    from PIL import Image as Pillow
    from PIL import ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.filterwarnings("error", category=Pillow.DecompressionBombWarning)
    return Pillow


def _decompression_bombs() -> tuple[type[Exception], ...]:
    """What Pillow raises for images of too many pixels."""
    return _pillow().DecompressionBombError, _pillow().DecompressionBombWarning


def _to_eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """16-bit grey values (only PNG has them) scaled to 0 ... 255."""
    eight_bits = np.rint(np.arange(65_536) * (255 / 65_535)).astype(np.uint8)
    scaled: NDArray[np.uint8] = eight_bits[pixels]
    return scaled
