"""An image that is cut off anywhere has no end; one that is whole has, with bytes after it too."""

import io

import pytest
from PIL import Image

from tests.image_server import photograph
from udfs.images.completeness import has_end
from udfs.images.image_formats import image_format


def with_preview() -> bytes:
    """A JPEG whose EXIF data hold a JPEG of its own."""
    small = io.BytesIO()
    Image.open(io.BytesIO(photograph())).resize((64, 48)).save(small, "JPEG")
    app1 = b"Exif\0\0" + small.getvalue()
    segment = b"\xff\xe1" + (len(app1) + 2).to_bytes(2, "big") + app1
    image = photograph()
    return image[:2] + segment + image[2:]


IMAGES = {
    "JPEG": photograph,
    "progressive": lambda: photograph(progressive=True),
    "with preview": with_preview,
    "PNG": lambda: photograph("PNG"),
    "WEBP": lambda: photograph("WEBP"),
    "lossless": lambda: photograph("WEBP", lossless=True),
    "GIF": lambda: photograph("GIF"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_cut_off_at_many_places(name: str) -> None:
    image = IMAGES[name]()
    kind = image_format(image)
    assert kind is not None
    assert has_end(image, kind)
    assert has_end(image + b"\0\0\n", kind) or name == "GIF"
    step = max(1, len(image) // 500)
    lengths = [*range(40, len(image), step), *range(len(image) - 16, len(image))]
    whole = [length for length in lengths if has_end(image[:length], kind)]
    # The end of a PNG's last chunk is its checksum, that of a GIF may stand among its data.
    assert len(whole) <= (8 if name == "PNG" else len(lengths) // 50 if name == "GIF" else 0)


@pytest.mark.parametrize(
    "image", [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xff\xff"]
)
def test_what_is_hardly_an_image_has_no_end(image: bytes) -> None:
    assert not has_end(image, "JPEG")
    assert not has_end(image, "PNG")
    assert not has_end(image, "WEBP")
