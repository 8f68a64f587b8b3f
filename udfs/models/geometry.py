"""From encoded images to RGB ones of a model's size, by Pillow alone.

The steps are those of open_clip's transforms, which torchvision's classes do for tensors too: in a
process that decodes, importing torch would take longer than decoding some thousand images.
"""

from typing import Any, Literal, NamedTuple

from udfs.images.decoding import BROKEN, Image, ImageError, decode_image

ResizeMode = Literal["shortest", "squash", "longest"]
BICUBIC = 3  # Pillow's Resampling.BICUBIC, so that a Geometry consists of plain values


class Geometry(NamedTuple):
    """What becomes of an image's sides and mode.

    `resize_mode`: the shorter side gets the model's size and the middle is cropped (shortest); both
    sides get it (squash); or the longer one, and borders of `fill` are added (longest).
    `resample`: Pillow's number. `rgb_first`: an image becomes RGB before it is resized, not after.
    """

    height: int
    width: int
    resize_mode: ResizeMode
    resample: int = BICUBIC
    rgb_first: bool = False
    fill: int = 0


def decode_fitted(item: Image, geometry: Geometry) -> Any:
    """The RGB image of height x width; ImageError with the reason if there is none."""
    image = decode_image(item)
    try:
        return _as_rgb(_fitted(_as_rgb(image) if geometry.rgb_first else image, geometry))
    except Exception:  # Pillow raises many types for odd but decodable images
        raise ImageError(BROKEN) from None


def _as_rgb(image: Any) -> Any:
    return image if image.mode == "RGB" else image.convert("RGB")


def _fitted(image: Any, geometry: Geometry) -> Any:
    width, height, resample = geometry.width, geometry.height, geometry.resample
    if geometry.resize_mode == "squash":
        return _resized(image, width, height, resample)
    if geometry.resize_mode == "longest":
        scale = max(image.height / height, image.width / width)
        scaled = _resized(image, round(image.width / scale), round(image.height / scale), resample)
        return _cropped(_padded(scaled, width, height, geometry.fill), width, height)
    if height != width:  # open_clip takes bicubic here, whatever the model's configuration
        scale = min(image.height / height, image.width / width)
        sides = round(image.width / scale), round(image.height / scale)
        return _cropped(_resized(image, *sides, BICUBIC), width, height)
    short, long = sorted(image.size)
    long = int(width * long / short)
    sides = (width, long) if image.width <= image.height else (long, width)
    return _cropped(_resized(image, *sides, resample), width, height)


def _resized(image: Any, width: int, height: int, resample: int) -> Any:
    return image if image.size == (width, height) else image.resize((width, height), resample)


def _cropped(image: Any, width: int, height: int) -> Any:
    if image.size == (width, height):
        return image
    left, top = round((image.width - width) / 2.0), round((image.height - height) / 2.0)
    return image.crop((left, top, left + width, top + height))


def _padded(image: Any, width: int, height: int, fill: int) -> Any:
    """The image with borders, so that it has the sides at least."""
    from PIL import ImageOps

    wider, higher = max(width - image.width, 0), max(height - image.height, 0)
    if not (wider or higher):
        return image
    border = (wider // 2, higher // 2, (wider + 1) // 2, (higher + 1) // 2)
    n_channels = len(image.getbands())
    colour = (fill,) * n_channels if n_channels > 1 else fill
    palette = image.getpalette() if image.mode == "P" else None
    padded = ImageOps.expand(image, border, colour)
    if palette is not None:
        padded.putpalette(palette)
    return padded
