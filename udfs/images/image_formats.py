"""Format and size of an encoded image from its first bytes, without a decoder."""

import struct
from typing import Literal

ImageFormat = Literal["JPEG", "PNG", "WEBP", "GIF"]
HEAD_BYTES = 32  # enough for the format, and for the canvas size of WebP

_MAGIC: dict[bytes, ImageFormat] = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
}


def image_format(head: bytes) -> ImageFormat | None:
    """The format by a file's first bytes; None if it is none of the four."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def webp_pixels(head: bytes) -> int:
    """Pixels of a WebP file's canvas; ValueError if the head is truncated or of no kind of WebP.

    Pillow's decoder allocates two canvases before it reports their size.
    """
    kind, body = head[12:16], head[20:HEAD_BYTES]
    if len(body) < HEAD_BYTES - 20:
        raise ValueError("the head of a WebP file is cut off")
    if kind == b"VP8X":
        return _three_bytes(body[4:7]) * _three_bytes(body[7:10])
    if kind == b"VP8L":
        packed = int.from_bytes(body[1:5], "little")
        return ((packed & 0x3FFF) + 1) * ((packed >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return (width & 0x3FFF) * (height & 0x3FFF)  # type: ignore[no-any-return]
    raise ValueError("no kind of WebP")


def _three_bytes(value: bytes) -> int:
    """A side of a canvas, which is stored as side - 1."""
    return int.from_bytes(value, "little") + 1
