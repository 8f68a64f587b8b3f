"""Draw pictures of shapes with captions, of which some shapes are frequent and most are rare."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction

BATCH_ROWS = 1_000
SIDE = 64  # pixels
_SCALE = 4  # pictures are drawn larger by this and reduced, so that edges are smooth

Point = tuple[float, float]
# Polygons in the square from -1 to 1, y downwards, and whether each is filled or cut out.
Outline = Sequence[tuple[Sequence[Point], bool]]


def _radial(radius: Callable[[float], float], n: int = 72) -> Sequence[Point]:
    """Points at n angles, the first at the top, in a distance that depends on the angle."""
    angles = [2 * math.pi * k / n for k in range(n)]
    return [(radius(a) * math.sin(a), -radius(a) * math.cos(a)) for a in angles]


def _regular(n: int) -> Sequence[Point]:
    return _radial(lambda _: 1.0, n)


def _pointed(n: int, inner: float) -> Sequence[Point]:
    """A star of n points; inner: the radius between them."""
    points = _radial(lambda _: 1.0, 2 * n)
    return [(x, y) if k % 2 == 0 else (x * inner, y * inner) for k, (x, y) in enumerate(points)]


def _moved(points: Sequence[Point], x: float, scale: float) -> Sequence[Point]:
    return [(px * scale + x, py * scale) for px, py in points]


def _heart(n: int = 72) -> Sequence[Point]:
    angles = [2 * math.pi * k / n for k in range(n)]
    heights = [13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) for a in angles]
    return [
        (math.sin(a) ** 3, -(height - math.cos(4 * a)) / 16)
        for a, height in zip(angles, heights, strict=True)
    ]


_DISK = _regular(72)
# The most frequent first; a name is one word, which no other name holds.
SHAPES: Mapping[str, Outline] = {
    "circle": [(_DISK, True)],
    "square": [([(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)], True)],
    "triangle": [(_regular(3), True)],
    "star": [(_pointed(5, 0.42), True)],
    "ring": [(_DISK, True), (_moved(_DISK, 0, 0.55), False)],
    "cross": [
        ([(-0.3, -1), (0.3, -1), (0.3, 1), (-0.3, 1)], True),
        ([(-1, -0.3), (1, -0.3), (1, 0.3), (-1, 0.3)], True),
    ],
    "heart": [(_heart(), True)],
    "arrow": [
        ([(0, -1), (0.75, -0.1), (0.3, -0.1), (0.3, 1), (-0.3, 1), (-0.3, -0.1), (-0.75, -0.1)],
         True)
    ],
    "crescent": [(_DISK, True), (_moved(_DISK, 0.5, 0.85), False)],
    "diamond": [([(0, -1), (0.6, 0), (0, 1), (-0.6, 0)], True)],
    "ellipse": [([(x, y * 0.5) for x, y in _DISK], True)],
    "hexagon": [(_regular(6), True)],
    "semicircle": [([(x, y + 0.45) for x, y in _DISK if y <= 0], True)],
    "trapezoid": [([(-0.45, -0.65), (0.45, -0.65), (1, 0.65), (-1, 0.65)], True)],
    "flower": [(_radial(lambda a: 0.7 + 0.3 * math.cos(6 * a)), True)],
    "hourglass": [([(-0.75, -1), (0.75, -1), (0.1, 0), (0.75, 1), (-0.75, 1), (-0.1, 0)], True)],
    "gear": [(_radial(lambda a: 1.0 if math.cos(8 * a) > 0 else 0.72), True),
             (_moved(_DISK, 0, 0.3), False)],
    "house": [([(0, -1), (0.9, -0.2), (0.65, -0.2), (0.65, 0.9), (-0.65, 0.9), (-0.65, -0.2),
                (-0.9, -0.2)], True)],
    "bolt": [([(0.25, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.25, 1), (0.6, -0.2), (0.05, -0.2)],
              True)],
    "chevron": [([(-0.9, -0.2), (0, -0.9), (0.9, -0.2), (0.9, 0.5), (0, -0.2), (-0.9, 0.5)],
                 True)],
    "egg": [([(x * (0.72 + 0.2 * y), y) for x, y in _DISK], True)],
    "pinwheel": [(_radial(lambda a: 0.25 + 0.75 * ((a * 4 / (2 * math.pi)) % 1.0), 144), True)],
    "stairs": [([(-0.9, 0.9), (-0.9, 0.3), (-0.3, 0.3), (-0.3, -0.3), (0.3, -0.3), (0.3, -0.9),
                 (0.9, -0.9), (0.9, 0.9)], True)],
    "target": [(_DISK, True), (_moved(_DISK, 0, 0.72), False), (_moved(_DISK, 0, 0.4), True)],
}  # fmt: skip
COLOURS = {
    "red": (214, 40, 40), "blue": (40, 80, 220), "green": (40, 160, 70),
    "yellow": (235, 205, 40), "purple": (140, 60, 180), "orange": (240, 140, 30),
    "white": (245, 245, 245), "black": (25, 25, 25),
}  # fmt: skip
TEXTURES = ("plain", "striped", "dotted", "outlined")
PLACES = {
    "left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1), "middle": (0, 0),
}  # fmt: skip
_FORMS = (
    "a {shape}",
    "a {colour} {shape}",
    "a {shape} drawn in {colour}",
    "a picture of a {texture} {shape}",
    "at the {place} a {texture} {colour} {shape}",
)


_BEFORE_VOWEL = re.compile(r"\ba (?=[aeiou]|hour)")


class Drawing(NamedTuple):
    """What a picture shows."""

    shape: str
    colour: str
    texture: str
    place: str


class Picture(NamedTuple):
    """A PNG, its caption and what it shows."""

    image: bytes
    caption: str
    drawing: Drawing


def make_pictures(
    n_rows: int, exponent: float, seed: int, *, names: Sequence[str]
) -> BatchFunction:
    """For mapInArrow: batch numbers -> uid, caption, shape and image of the batches' rows.

    Batch k has the rows from k * BATCH_ROWS on, up to n_rows, in the order of the shapes. A picture
    depends on the seed, its shape and its number among those of the shape, not on how many there
    are. `names`: of the four columns.
    """
    counts = zipf_counts(n_rows, exponent)
    last_rows = np.cumsum([*counts.values()])

    def make(numbers: Batches) -> Iterator[pa.RecordBatch]:
        for number in (n for batch in numbers for n in batch.column(0).to_pylist()):
            rows = range(number * BATCH_ROWS, min((number + 1) * BATCH_ROWS, n_rows))
            uids, pictures = [], []
            for row in rows:
                k = int(np.searchsorted(last_rows, row, side="right"))
                shape = [*SHAPES][k]
                of_shape = row - int(last_rows[k]) + counts[shape]
                uids.append(f"{seed}-{shape}-{of_shape}")
                pictures.append(make_picture(shape, of_shape, seed))
            columns = [
                pa.array(uids, pa.string()),
                pa.array([picture.caption for picture in pictures], pa.string()),
                pa.array([picture.drawing.shape for picture in pictures], pa.string()),
                pa.array([picture.image for picture in pictures], pa.binary()),
            ]
            yield pa.RecordBatch.from_arrays(columns, names)

    return make


def zipf_counts(n_rows: int, exponent: float) -> dict[str, int]:
    """Pictures of each shape, which sum to n_rows: the k-th has about 1 / k**exponent of them."""
    weights = np.arange(1, len(SHAPES) + 1) ** -float(exponent)
    edges = np.rint(np.cumsum(weights) / weights.sum() * n_rows).astype(int)
    return dict(zip(SHAPES, np.diff(edges, prepend=0).tolist(), strict=True))


def make_picture(shape: str, number: int, seed: int) -> Picture:
    """The picture with a number of a shape; colour, texture, place, size and angle are drawn."""
    rng = np.random.default_rng([seed, [*SHAPES].index(shape), number])
    drawing = Drawing(
        shape,
        [*COLOURS][rng.integers(len(COLOURS))],
        TEXTURES[rng.integers(len(TEXTURES))],
        [*PLACES][rng.integers(len(PLACES))],
    )
    text = _FORMS[rng.integers(len(_FORMS))].format(**drawing._asdict())
    return Picture(_draw(drawing, rng), _BEFORE_VOWEL.sub("an ", text), drawing)


def _draw(drawing: Drawing, rng: np.random.Generator) -> bytes:
    from PIL import Image

    mask = _mask(drawing, rng)
    share = mask.reshape(SIDE, _SCALE, SIDE, _SCALE).mean((1, 3))[:, :, None]
    ground = rng.normal(128, 6, 3) + rng.normal(0, 5, (SIDE, SIDE, 1))
    colour = np.array(COLOURS[drawing.colour]) + rng.normal(0, 8, 3)
    pixels = np.clip(ground * (1 - share) + colour * share, 0, 255).astype(np.uint8)
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def _mask(drawing: Drawing, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Where the colour is, in pixels of the larger picture."""
    side = SIDE * _SCALE
    mask = _outline(drawing, rng, side)
    band = np.arange(side) // (side // 32) % 3
    if drawing.texture == "striped":
        mask &= (band != 0)[:, None]
    elif drawing.texture == "dotted":
        mask &= ~((band == 1)[:, None] & (band == 1)[None, :])
    elif drawing.texture == "outlined":
        mask &= ~_inner(mask, side // 24)
    return mask


def _outline(drawing: Drawing, rng: np.random.Generator, side: int) -> NDArray[np.bool_]:
    from PIL import Image, ImageDraw

    radius = side * rng.uniform(0.30, 0.40)
    angle = math.radians(rng.uniform(-8, 8))
    x, y = (side * (0.5 + 0.08 * p + rng.uniform(-0.02, 0.02)) for p in PLACES[drawing.place])
    cos, sin = math.cos(angle) * radius, math.sin(angle) * radius
    canvas = Image.new("1", (side, side))
    pen = ImageDraw.Draw(canvas)
    for points, is_filled in SHAPES[drawing.shape]:
        corners = [(x + px * cos - py * sin, y + px * sin + py * cos) for px, py in points]
        pen.polygon(corners, fill=is_filled)
    return np.array(canvas)


def _inner(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """The pixels at least `width` away from where there is no mask, along rows and columns."""
    inner = mask.copy()
    for axis in (0, 1):
        for shift in (-width, width):
            inner &= np.roll(mask, shift, axis)
    return inner
