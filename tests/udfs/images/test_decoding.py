"""Images of all modes against open_clip's own transform."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from udfs.images.decoding import MAX_PIXELS, ImageError, decode_image

RAMP = np.tile(np.arange(256, dtype=np.int64), (40, 1))


def encoded(image: Image.Image, form: str = "PNG", **how: object) -> bytes:
    written = io.BytesIO()
    image.save(written, form, **how)
    return written.getvalue()


def of_16_bits(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.astype(np.uint16))


def test_grey_of_16_bits_keeps_its_shades() -> None:
    item = encoded(of_16_bits(RAMP * 257))
    assert Image.open(io.BytesIO(item)).mode == "I;16"
    image = decode_image(item)
    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), RAMP)


def test_shades_between_are_rounded_and_dark_images_stay_dark() -> None:
    values = np.random.default_rng(0).integers(0, 65_536, (50, 60))
    image = np.asarray(decode_image(encoded(of_16_bits(values))))
    assert np.array_equal(image, np.rint(values / 257))
    assert np.asarray(decode_image(encoded(of_16_bits(RAMP)))).max() == 1  # 255 of 65,535


@pytest.mark.parametrize(
    ("mode", "form"),
    [("1", "PNG"), ("L", "PNG"), ("P", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("LA", "PNG"),
     ("L", "JPEG"), ("RGB", "JPEG"), ("CMYK", "JPEG"), ("RGB", "WEBP"), ("RGBA", "WEBP"),
     ("P", "GIF")],
)  # fmt: skip
def test_all_other_modes_are_as_open_clip_has_them(tiny_clip: Path, mode: str, form: str) -> None:
    import open_clip
    import torch

    pixels = np.random.default_rng(3).integers(0, 255, (50, 40, 3), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(pixels[:, :, 0]))  # transparency is left out of account
    item = encoded(image, form)
    *_, transform = open_clip.create_model_and_transforms(f"local-dir:{tiny_clip}")
    assert torch.equal(transform(decode_image(item)), transform(Image.open(io.BytesIO(item))))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_exif_turns_nothing(form: str) -> None:
    image = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(5, 12))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    assert decode_image(encoded(image, form, exif=exif)).size == (12, 5)


def reason_of(item: bytes | str) -> str | None:
    """Why an image is refused; None where it is decoded."""
    try:
        decode_image(item)
    except ImageError as fault:
        return fault.reason
    return None


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_file_cut_off_anywhere_is_refused_or_whole(form: str) -> None:
    """Neither grey rows nor another image's pixels in place of those that are missing."""
    pixels = np.random.default_rng(5).integers(0, 255, (64, 48, 3), np.uint8)
    item = encoded(Image.fromarray(pixels), form)
    whole = np.asarray(decode_image(item))
    refused = 0
    for end in range(0, len(item), 97):
        reason = reason_of(item[:end])
        if reason is None:
            assert np.array_equal(np.asarray(decode_image(item[:end])), whole)
        else:
            assert reason == ("image_format" if end == 0 else "image_broken")
            refused += 1
        assert np.array_equal(np.asarray(decode_image(item)), whole)  # the neighbour is untouched
    assert refused > 0.9 * len(item) / 97


def test_the_first_frame_is_taken() -> None:
    red, blue = (Image.new("RGB", (20, 20), colour) for colour in ("red", "blue"))
    for form in ("GIF", "WEBP", "PNG"):
        more = {"lossless": True} if form == "WEBP" else {}
        item = encoded(red, form, save_all=True, append_images=[blue, red] * 150, **more)
        assert Image.open(io.BytesIO(item)).n_frames == 301
        assert decode_image(item).convert("RGB").getpixel((9, 9)) == (255, 0, 0)


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "image.txt").write_bytes(encoded(Image.new("L", (4, 4))))
    assert reason_of(str(tmp_path / "pipe.png")) == "no_regular_file"
    assert reason_of("/dev/zero") == "no_regular_file"
    assert reason_of(str(tmp_path)) == "no_regular_file"
    assert reason_of(str(tmp_path / "gone.png")) == "no_such_file"
    assert reason_of("a\0b") == "no_such_file"
    assert reason_of(str(tmp_path / "image.txt")) is None


def chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def png(width: int, height: int, *chunks: bytes, is_filled: bool = False) -> bytes:
    """A grey PNG of such a size, black if filled, else without pixels."""
    packer = zlib.compressobj(9)
    row = bytes(width + 1) if is_filled else b""
    pixels = b"".join(packer.compress(row) for _ in range(height if is_filled else 0))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    end = chunk(b"IDAT", pixels + packer.flush()) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + end


def webp(kind: bytes, body: bytes) -> bytes:
    inner = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG whose header says another size."""
    item = bytearray(encoded(Image.new("RGB", (8, 8)), "JPEG"))
    at = item.index(b"\xff\xc0") + 5
    item[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(item)


def bombs() -> dict[str, tuple[bytes, str]]:
    """Name -> a file, and why it is refused."""
    small = Image.new("RGB", (64, 64))
    many = zlib.compress(bytes(200 << 20), 9)  # 200 MB in 200 kB
    sides = struct.pack("<I", 15_999 | 15_999 << 14)
    largest = b"\xff\xff\xff" * 2
    return {
        "png": (png(12_000, 12_000, is_filled=True), "image_too_large"),
        "png_header": (png(2**31 - 1, 2**31 - 1), "image_too_large"),
        "png_narrow": (png(1, 40_000_000), "image_too_narrow"),
        "png_text": (png(8, 8, chunk(b"zTXt", b"a\0\0" + many), is_filled=True), "image_broken"),
        "png_profile": (png(8, 8, chunk(b"iCCP", b"a\0\0" + many), is_filled=True), "image_broken"),
        "gif": (b"GIF89a" + b"\xff" * 4 + encoded(small, "GIF")[10:], "image_too_large"),
        "webp_canvas": (webp(b"VP8X", bytes(4) + largest + bytes(20)), "image_too_large"),
        "webp_lossless": (webp(b"VP8L", b"\x2f" + sides + bytes(20)), "image_too_large"),
        "webp_lossy": (
            webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16_383, 16_383) + bytes(20)),
            "image_too_large",
        ),
        "jpeg": (jpeg_of_size(65_500, 65_500), "image_too_large"),
        "jpeg_scan": (jpeg_of_size(7_000, 7_000), "image_broken"),
        "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image_format"),
        "fits": (b"SIMPLE  =                    T".ljust(2880), "image_format"),
        "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image_format"),
        "psd": (b"8BPS\0\1" + bytes(40), "image_format"),
        **{
            form: (encoded(small, form), "image_format")
            for form in (
                "TIFF",
                "ICO",
                "DDS",
                "BMP",
                "TGA",
                "PPM",
                "JPEG2000",
                "AVIF",
                "PCX",
                "ICNS",
            )
            if form in registered_formats()
        },
    }


def registered_formats() -> set[str]:
    Image.init()
    return set(Image.SAVE)


MEASURE = """
import resource, sys
from pathlib import Path
from udfs.images.decoding import ImageError, decode_image
good, *files = map(Path, sys.argv[1:])
before = decode_image(good.read_bytes()).tobytes()
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for file in files:
    try:
        decode_image(file.read_bytes())
        print(file.name, "decoded")
    except ImageError as fault:
        print(file.name, fault.reason)
    assert decode_image(good.read_bytes()).tobytes() == before
print("MB", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) >> 10)
"""


def test_bombs_are_refused_and_their_neighbours_are_not(tmp_path: Path) -> None:
    files = bombs()
    good = tmp_path / "good.jpg"
    good.write_bytes(encoded(Image.effect_mandelbrot((99, 77), (-2, -1, 1, 1), 50), "JPEG"))
    for name, (content, _) in files.items():
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-c", MEASURE, good, *(tmp_path / name for name in files)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    *reasons, memory = [line.split() for line in result.stdout.splitlines()]
    assert dict(reasons) == {name: reason for name, (_, reason) in files.items()}
    assert len(files) > 20
    assert int(memory[1]) <= 300
    assert result.stderr == ""


def test_an_image_of_the_largest_size_is_taken() -> None:
    width = 5_000
    assert decode_image(png(width, MAX_PIXELS // width, is_filled=True)).size == (5_000, 10_000)
    assert reason_of(png(width, MAX_PIXELS // width + 1, is_filled=True)) == "image_too_large"
