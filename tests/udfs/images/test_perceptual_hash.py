"""Perceptual hashes equal those of ImageHash 4.3.2, with which the expected ones were made."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from udfs.images.perceptual_hash import HASHES, hash_images


def picture(seed: int, mode: str = "RGB") -> Image.Image:
    """Random squares under noise, by integers alone, in a size and mode of its own."""
    random = np.random.default_rng(seed)
    height, width = 40 + seed % 50, 50 + 7 * seed % 60
    coarse = random.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    fine = np.repeat(np.repeat(coarse, height // 6 + 1, axis=0), width // 5 + 1, axis=1)
    noise = random.integers(0, 20, (height, width, 3), dtype=np.uint8)
    pixels = (fine[:height, :width] // 2 + noise).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


MODES = ["RGB", "L", "RGBA", "P"]
EXPECTED = [  # phash, dhash
    ("87b4a6c9260bf4f8", "cc4c84e3c7e3e3cf"),
    ("b8e6091667c93f16", "0f3333034cfcb033"),
    ("8bb6b8d96627d809", "3ccccccfc333f3f3"),
    ("f8d6b4f69858a660", "0c0cc333134f3333"),
    ("c987e714097887f6", "c3c3c33333300033"),
    ("c7d8c636c7669838", "4c3333cccc4ccfc3"),
    ("f0dc49a9168976e3", "33034c3c0c0fd3cc"),
    ("e9a9e647a318e0e3", "c313333343c3cc0c"),
    ("f8e92b03d6f60938", "c3333300f0f30f03"),
    ("8bd94b43c9679836", "d3333c33bfcccccb"),
    ("9799abb80934cbb4", "b0eccccc30340ccf"),
    ("a919f4686b9867b4", "3333f0f303033f0c"),
    ("f629f818c7e9071c", "3f3f2ecbcc3c3ccc"),
    ("d9e2d694874bb0b8", "cc3033d3333370cc"),
    ("985c4b494747b9b9", "f030302c3433f0f0"),
    ("b6b4e319099669f4", "330c0cccb3b0cccf"),
    ("8626589c16d9a7eb", "fccdcfcccccc33c4"),
    ("b849d67649668d96", "3073f333333c0c33"),
    ("9ce6744b148974f6", "0c0c0cf3f0f0333c"),
    ("a76963894309f2f6", "c30f3cf00c34f3cf"),
    ("c6a696a9c9cb3436", "ccccccc30303c0f0"),
    ("98dc98270bb847f6", "f3343433cfcc3733"),
    ("d6d60638b647b8c9", "ecc4c00c3f3fc30f"),
    ("8999586b9714eb69", "333333fccfcf3fcc"),
]


def hexadecimal(value: int) -> str:
    return f"{value % 2**64:016x}"


@pytest.mark.parametrize("seed", range(len(EXPECTED)))
def test_equals_image_hash(seed: int) -> None:
    image = picture(seed, MODES[seed % 4])
    found = tuple(hexadecimal(HASHES[kind](image)) for kind in ("phash", "dhash"))
    assert found == EXPECTED[seed]


def test_a_picture_of_one_colour_has_its_mean_alone() -> None:
    """All frequencies but the lowest are 0, as large as the median; no rounding sets a bit."""
    for level in (1, 77, 255):
        flat = Image.new("L", (50, 40), level)
        assert hexadecimal(HASHES["phash"](flat)) == "8000000000000000"
        assert HASHES["dhash"](flat) == 0


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_a_smaller_jpeg_of_a_picture_is_near() -> None:
    for seed in range(20):
        image = picture(seed)
        small = Image.open(io.BytesIO(encoded(image.resize((45, 36)), "JPEG", quality=60)))
        for kind in ("phash", "dhash"):
            assert ((HASHES[kind](image) ^ HASHES[kind](small)) % 2**64).bit_count() <= 12


def test_rows_without_a_picture_have_a_reason() -> None:
    whole = encoded(picture(0), "PNG")
    images = [whole, None, b"no image", whole[:200], b""]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(list("abcde")), pa.array(images, pa.binary())], ["uid", "image"]
    )
    [hashed] = hash_images("phash")([batch])
    assert hashed.schema.names == ["uid", "hash", "hash_fault"]
    value = HASHES["phash"](picture(0))
    assert hashed["hash"].to_pylist() == [value, None, None, None, None]
    faults = [None, "no_image", "image_format", "image_broken", "image_format"]
    assert hashed["hash_fault"].to_pylist() == faults
