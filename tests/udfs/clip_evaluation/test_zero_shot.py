"""The zero-shot classifier's arithmetic: means of prompts, ranks with ties, images without one."""

import io
from pathlib import Path

import numpy as np
import open_clip
import pyarrow as pa
import pytest
import torch
from PIL import Image

from udfs.clip_evaluation.zero_shot import class_means, classify, logits, predicted_and_rank
from udfs.models.clip import ClipImageEncoder, ClipTextEncoder
from udfs.models.encoder import encode
from udfs.models.spec import ModelSpec
from udfs.vectors import Vectors


def unit(draws: np.random.Generator, n: int, dimension: int = 8) -> Vectors:
    vectors = draws.normal(size=(n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("batch_rows", [1, 3, 7, 100])
def test_means_do_not_depend_on_where_batches_end(batch_rows: int) -> None:
    draws = np.random.default_rng(0)
    classes = np.repeat([0, 2, 3, 5], [4, 1, 12, 3]).astype(np.int32)
    vectors = unit(draws, len(classes))
    rows = pa.record_batch([pa.array(classes), pa.array([*vectors])], ["class", "embedding"])
    parts = [rows.slice(start, batch_rows) for start in range(0, len(classes), batch_rows)]
    made = pa.Table.from_batches(class_means([rows.slice(0, 0), *parts, rows.slice(0, 0)]))
    means = dict(zip(made["class"].to_pylist(), made["embedding"].to_pylist(), strict=True))
    assert list(means) == [0, 2, 3, 5]
    assert made["prompts"].to_pylist() == [4, 1, 12, 3]
    for number in (0, 2, 3, 5):
        mean = vectors[classes == number].astype(np.float64).mean(axis=0)
        assert np.allclose(means[number], mean / np.linalg.norm(mean), atol=1e-7)
    assert [batch.num_rows for batch in class_means([])] == [0]


def test_ranks_are_places_in_a_stable_order() -> None:
    draws = np.random.default_rng(1)
    for n_classes in (1, 2, 9):
        scores = draws.integers(0, 4, (50, n_classes)).astype(np.float32)  # with many ties
        own = draws.integers(0, n_classes, 50)
        predicted, rank = predicted_and_rank(scores, own)
        for row, number in enumerate(own):
            order = sorted(range(n_classes), key=lambda c, row=row: (-scores[row, c], c))
            assert (predicted[row], rank[row]) == (order[0], order.index(number))


def test_images_without_vector_or_class_have_a_fault_and_no_rank() -> None:
    draws = np.random.default_rng(2)
    classifier, vectors = unit(draws, 3), unit(draws, 5)
    faults = [None, "image_broken", None, None, "null"]
    batch = pa.RecordBatch.from_pydict(
        {
            "uid": ["a", "b", "c", "d", "e"],
            "class": pa.array(["x", "y", None, "y", None]),
            "embedding": pa.array([None if f else v for v, f in zip(vectors, faults, strict=True)]),
            "fault": pa.array(faults),
        }
    )
    function = classify(classifier, {"x": 2, "y": 0}, ["Y", "none", "X"], ["uid"])
    (rows,) = function([batch])
    assert rows["fault"].to_pylist() == [None, "image_broken", "no_class", None, "no_class"]
    assert rows["class"].to_pylist() == ["X", "Y", None, "Y", None]
    scores = logits(vectors, classifier)
    values = ["Y", "none", "X"]
    assert rows["predicted"].to_pylist() == [
        values[scores[0].argmax()], None, None, values[scores[3].argmax()], None
    ]  # fmt: skip
    assert [r is None for r in rows["rank"].to_pylist()] == [False, True, True, False, True]
    assert [p.num_rows for p in function([batch.slice(1, 2), batch.slice(0, 0)])] == [2]


def test_classifier_and_logits_are_those_of_open_clip(tiny_clip: Path) -> None:
    names, templates = ["tench", "sea otter", "yurt"], [*open_clip.SIMPLE_IMAGENET_TEMPLATES]
    spec = ModelSpec(f"open_clip:{tiny_clip}", rgb_first=True)
    texts = ClipTextEncoder(spec, "cpu")
    prompts = [template(name) for name in names for template in templates]
    vectors, _ = encode(texts, texts.prepare(prompts))
    numbers = np.repeat(np.arange(3, dtype=np.int32), len(templates))
    rows = pa.record_batch([pa.array(numbers), pa.array([*vectors])], ["class", "embedding"])
    means = pa.Table.from_batches(class_means([rows]))
    classifier = np.array(means["embedding"].to_pylist(), np.float32)
    files = []
    for mode in ("RGB", "L", "LA", "P", "RGBA") * 4:
        pixels = np.random.default_rng(len(files)).integers(0, 256, (40, 70, 4), np.uint8)
        picture = Image.fromarray(pixels, "RGBA")
        written = io.BytesIO()
        (picture if mode == "RGBA" else picture.convert("RGB")).convert(mode).save(written, "PNG")
        files.append(written.getvalue())
    images = ClipImageEncoder(spec, "cpu")
    scores = logits(encode(images, images.prepare(files))[0], classifier)
    clip, _, transform = open_clip.create_model_and_transforms(f"local-dir:{tiny_clip}")
    tokens = open_clip.get_tokenizer(f"local-dir:{tiny_clip}")
    expected = open_clip.build_zero_shot_classifier(clip.eval(), tokens, names, templates)
    assert np.allclose(classifier.T, expected, atol=1e-6)
    batch = [transform(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]
    with torch.inference_mode():
        of_images = clip.encode_image(torch.stack(batch), normalize=True)
    assert np.allclose(scores, 100.0 * of_images @ expected, atol=1e-4)
