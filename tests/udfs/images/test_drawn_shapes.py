"""Pictures of shapes: the same for a seed, as many of each as said, of different outlines."""

import re
from collections import Counter
from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from udfs.images.drawn_shapes import (
    BATCH_ROWS,
    SHAPES,
    SIDE,
    Drawing,
    _outline,
    make_pictures,
    zipf_counts,
)

NAMES = ["uid", "caption", "shape", "image"]


def made(n_rows: int, exponent: float, seed: int) -> pa.Table:
    n_batches = -(-n_rows // BATCH_ROWS)
    numbers = pa.RecordBatch.from_arrays([pa.array(range(n_batches))], ["id"])
    return pa.Table.from_batches(make_pictures(n_rows, exponent, seed, names=NAMES)([numbers]))


@pytest.mark.parametrize(
    ("n_rows", "exponent"), [(0, 1.3), (1, 1.3), (6_000, 1.3), (960, 0), (7, 9)]
)
def test_counts_follow_zipfs_law(n_rows: int, exponent: float) -> None:
    counts = [*zipf_counts(n_rows, exponent).values()]
    weights = np.array([1 / k**exponent for k in range(1, len(SHAPES) + 1)])
    assert sum(counts) == n_rows
    assert np.abs(counts - weights / weights.sum() * n_rows).max() <= 1


def test_each_row_has_the_shape_that_its_caption_names() -> None:
    table = made(1_100, 1.3, 5)
    shapes, captions = (table.column(name).to_pylist() for name in ("shape", "caption"))
    assert {k: n for k, n in zipf_counts(1_100, 1.3).items() if n} == Counter(shapes)
    for shape, caption in zip(shapes, captions, strict=True):
        named = [name for name in SHAPES if re.search(rf"\b{name}\b", caption)]
        assert named == [shape]
        assert not re.search(r"\ba [aeiou]|\ba hour|\ban [^aeiouh]", caption)
    assert len({*table.column("uid").to_pylist()}) == 1_100
    image = Image.open(BytesIO(table.column("image")[0].as_py()))
    assert (image.size, image.mode) == ((SIDE, SIDE), "RGB")


def test_a_picture_does_not_depend_on_how_many_there_are() -> None:
    small, large = (made(n, 0, 1).select(["uid", "image"]).to_pylist() for n in (48, 96))
    assert [row for row in small if row not in large] == []
    other = made(48, 0, 2).column("image").to_pylist()
    assert not {*other} & {row["image"] for row in small}


def test_no_two_shapes_have_one_outline() -> None:
    """Of the area that either covers, at least a tenth is of one alone."""
    outlines = {
        name: _outline(Drawing(name, "red", "plain", "middle"), np.random.default_rng(0), 256)
        for name in SHAPES
    }
    for name, mask in outlines.items():
        assert mask.mean() > 0.04
        for other, other_mask in outlines.items():
            if name < other:
                assert (mask & other_mask).sum() / (mask | other_mask).sum() < 0.9
