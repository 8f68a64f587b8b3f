"""Pixels from several threads or processes, normalised apart from them: open_clip's own tensors."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from udfs.images.decoding import ImageError, decode_image
from udfs.models import pixels as tested
from udfs.models.decoders import Decoders
from udfs.models.pixels import decode_images, normalised, preprocessing_of
from udfs.models.threads import map_in_threads

MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "L", "LA", "P", "RGBA", "I;16", "1"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P"),
}
CONFIGS = [
    {},
    {"size": 31, "interpolation": "bilinear"},
    {"size": (30, 47)},
    {"size": (47, 30), "interpolation": "bilinear"},
    {"size": 33, "resize_mode": "squash"},
    {"size": (20, 41), "resize_mode": "squash", "interpolation": "bilinear"},
    {"size": 40, "resize_mode": "longest"},
    {"size": (64, 45), "resize_mode": "longest", "fill_color": 127},
]


class Visual:
    """As much of open_clip's vision towers as says how images are prepared."""

    def __init__(self, **config: Any) -> None:
        self.preprocess_cfg = {"size": 32, **config}


def encoded(size: tuple[int, int], mode: str, form: str) -> bytes:
    generator = np.random.default_rng(size[0] * 1000 + size[1])
    pixels = generator.integers(0, 255, (*size, 3), np.uint8)
    image = Image.fromarray(pixels).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(generator.integers(0, 65_535, size, np.uint16))
    written = io.BytesIO()
    # Palettes with a transparent colour, and RGB with one, are kinds of their own.
    transparent = {"transparency": 3} if mode == "P" and size[0] % 2 else {}
    image.save(written, form, **transparent)
    return written.getvalue()


def all_kinds(generator: np.random.Generator, n: int) -> list[bytes]:
    """`n` images of each kind and mode, of small, wide, high and of the models' own sides."""
    sides = [1, 7, 30, 31, 32, 33, 40, 47, 64, 90, 200]
    return [
        encoded(tuple(generator.choice(sides, 2).tolist()), mode, form)
        for form, modes in MODES.items()
        for mode in modes
        for _ in range(n)
    ]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> list[bytes | str]:
    """Images without pixels: cut off, damaged, too large, too narrow, no images, odd paths."""
    folder = tmp_path_factory.mktemp("images")
    photo = encoded((60, 80), "RGB", "PNG")
    large = io.BytesIO()
    Image.new("1", (8_000, 7_000)).save(large, "PNG")
    return [
        *(photo[:200], encoded((60, 80), "RGB", "JPEG")[:600], b"GIF89a", b"", b"no image"),
        *(large.getvalue(), encoded((1, 900), "L", "PNG"), encoded((900, 1), "P", "GIF")),
        *(str(folder / "absent"), str(folder), "a\0b", "\ud800", "\udcff", ""),
    ]


@pytest.fixture(scope="module", params=["threads", "processes"])
def decoders(request: pytest.FixtureRequest) -> Any:
    pool = Decoders(2)
    yield pool if request.param == "processes" else None
    pool.end()


@pytest.fixture(autouse=True)
def with_decoders(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "decoders" not in request.fixturenames:
        return
    pool = request.getfixturevalue("decoders")
    if pool is not None:
        monkeypatch.setattr(tested, "decode_here", pool.decode)


def expected_pixels(item: bytes | str, visual: Any) -> NDArray[np.uint8] | str:
    """By the transforms of open_clip, or why there are none."""
    *steps, _, _ = image_transform_v2(PreprocessCfg(**visual.preprocess_cfg), False).transforms
    try:
        image = decode_image(item)
    except ImageError as fault:
        return fault.reason
    try:
        for step in steps:
            image = step(image)
    except Exception:
        return "image_broken"
    return np.asarray(image)


def test_pixels_are_those_of_open_clip_to_the_last_bit(tiny_clip: Path, decoders: Any) -> None:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tiny_clip}")
    preprocessing = preprocessing_of(model.visual)
    items = [
        encoded((40 + 3 * k, 90 - 2 * k), mode, form)
        for k, (mode, form) in enumerate(
            [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("P", "PNG"), ("RGBA", "WEBP")] * 3
        )
    ]
    pixels, faults = decode_images([*items, b"GIF89a", b""], preprocessing, is_pinned=False)
    assert faults == {15: "image_broken", 16: "image_format"}
    assert pixels.dtype == torch.uint8
    expected = torch.stack([transform(Image.open(io.BytesIO(item))) for item in items])
    assert torch.equal(normalised(pixels[:15], preprocessing), expected)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_all_kinds_of_images_are_as_open_clip_has_them(
    config: dict[str, Any], decoders: Any, refused: list[bytes | str], tmp_path: Path
) -> None:
    visual = Visual(**config)
    generator = np.random.default_rng(CONFIGS.index(config))
    items: list[bytes | str] = [*all_kinds(generator, 8), *refused]
    file = tmp_path / "größe.jpg"
    file.write_bytes(encoded((50, 70), "RGB", "JPEG"))
    items += [str(file), encoded((50, 70), "RGB", "JPEG")]
    items = [items[k] for k in generator.permutation(len(items))]
    pixels, faults = decode_images(items, preprocessing_of(visual), is_pinned=False)
    for position, item in enumerate(items):
        expected = expected_pixels(item, visual)
        if isinstance(expected, str):
            assert faults[position] == expected
        else:
            assert position not in faults
            np.testing.assert_array_equal(pixels[position].numpy(), expected)


def test_images_become_rgb_first_where_a_model_wants_that(decoders: Any) -> None:
    items = all_kinds(np.random.default_rng(3), 2)
    preprocessing = preprocessing_of(Visual(), rgb_first=True)
    pixels, faults = decode_images(items, preprocessing, is_pinned=False)
    as_rgb = []
    for item in items:
        written = io.BytesIO()
        decode_image(item).convert("RGB").save(written, "PNG")
        as_rgb.append(written.getvalue())
    expected, _ = decode_images(as_rgb, preprocessing_of(Visual()), is_pinned=False)
    kept = [k for k in range(len(items)) if k not in faults]
    assert torch.equal(pixels[kept], expected[kept])


def test_without_images_there_are_no_pixels(decoders: Any) -> None:
    pixels, faults = decode_images([], preprocessing_of(Visual()), is_pinned=False)
    assert (tuple(pixels.shape), faults) == ((0, 32, 32, 3), {})


def test_results_of_threads_are_in_order_and_faults_are_raised() -> None:
    assert map_in_threads(lambda k: k * k, range(100)) == [k * k for k in range(100)]
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda k: 1 // k, range(3))
