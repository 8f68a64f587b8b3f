"""Images of all modes against open_clip's own transform."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from udfs.models.decoding import decoded

RAMP = np.tile(np.arange(256, dtype=np.int64), (40, 1))


def encoded(image: Image.Image, form: str = "PNG", **how: object) -> bytes:
    written = io.BytesIO()
    image.save(written, form, **how)
    return written.getvalue()


def of_16_bits(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.astype(np.uint16))


@pytest.mark.parametrize(
    ("item", "mode"),
    [
        (encoded(of_16_bits(RAMP * 257)), "I;16"),
        (encoded(of_16_bits(RAMP * 257), "TIFF"), "I;16"),
        (encoded(Image.fromarray((RAMP * 257).astype(np.int32)), "TIFF"), "I"),
        (encoded(Image.fromarray((RAMP / 255).astype(np.float32)), "TIFF"), "F"),
        (encoded(Image.fromarray(RAMP.astype(np.float32)), "TIFF"), "F"),
        (encoded(Image.fromarray((RAMP * 257).astype(np.float32)), "TIFF"), "F"),
        (
            b"MM\0*\0\0\0\x08\0\x08"  # a big-endian TIFF, which Pillow has as I;16B
            + b"".join(
                tag.to_bytes(2, "big") + kind.to_bytes(2, "big") + (1).to_bytes(4, "big") + value
                for tag, kind, value in [
                    (256, 3, (256).to_bytes(2, "big") + b"\0\0"),
                    (257, 3, (40).to_bytes(2, "big") + b"\0\0"),
                    (258, 3, (16).to_bytes(2, "big") + b"\0\0"),
                    (259, 3, (1).to_bytes(2, "big") + b"\0\0"),
                    (262, 3, (1).to_bytes(2, "big") + b"\0\0"),
                    (273, 4, (110).to_bytes(4, "big")),
                    (278, 3, (40).to_bytes(2, "big") + b"\0\0"),
                    (279, 4, (256 * 40 * 2).to_bytes(4, "big")),
                ]
            )
            + b"\0\0\0\0"
            + (RAMP * 257).astype(">u2").tobytes(),
            "I;16B",
        ),
    ],
)
def test_grey_of_more_than_8_bits_keeps_its_shades(item: bytes, mode: str) -> None:
    assert Image.open(io.BytesIO(item)).mode == mode
    found = decoded(item)
    assert found.mode == "L"
    assert np.array_equal(np.asarray(found), RAMP)


def test_shades_between_are_rounded_and_dark_images_stay_dark() -> None:
    values = np.random.default_rng(0).integers(0, 65_536, (50, 60))
    found = np.asarray(decoded(encoded(of_16_bits(values))))
    assert np.array_equal(found, np.rint(values / 257))
    assert np.asarray(decoded(encoded(of_16_bits(RAMP)))).max() == 1  # 255 of 65,535
    negative = Image.fromarray(np.full((4, 4), -5, np.int32))
    assert np.asarray(decoded(encoded(negative, "TIFF"))).max() == 0


def test_a_pixel_that_is_no_number_is_no_image() -> None:
    image = Image.fromarray(np.full((4, 4), np.nan, np.float32))
    with pytest.raises(ValueError, match="no number"):
        decoded(encoded(image, "TIFF"))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "LAB"])
def test_all_other_modes_are_as_open_clip_has_them(tiny_clip: Path, mode: str) -> None:
    import open_clip
    import torch

    pixels = np.random.default_rng(3).integers(0, 255, (50, 40, 3), np.uint8)
    image = Image.fromarray(pixels)
    if mode == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    else:
        image = image.convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(pixels[:, :, 0]))  # transparency is left out of account
    form = "PNG" if mode in ("1", "L", "P", "RGB", "RGBA", "LA") else "TIFF"
    item = encoded(image, form)
    *_, transform = open_clip.create_model_and_transforms(f"local-dir:{tiny_clip}")
    assert torch.equal(transform(decoded(item)), transform(Image.open(io.BytesIO(item))))


def test_exif_turns_nothing() -> None:
    image = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(5, 12))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    assert decoded(encoded(image, "PNG", exif=exif)).size == (12, 5)
