"""Recall against a full sort of all cosines, as the field's evaluations have it."""

import numpy as np
import pytest

from udfs.clip_evaluation import retrieval
from udfs.clip_evaluation.retrieval import nearest, recalls
from udfs.vectors import Vectors


def vectors_with_copies(draws: np.random.Generator, n: int) -> Vectors:
    vectors = draws.normal(size=(n, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[draws.integers(0, n, n)]  # a third of the rows are copies


def full_order(queries: Vectors, vectors: Vectors) -> np.ndarray:
    products = (queries.astype(np.float64) @ vectors.T.astype(np.float64)).astype(np.float32)
    return np.argsort(-products, axis=1, kind="stable")


@pytest.mark.parametrize(("n_images", "most_captions"), [(1, 1), (7, 3), (60, 1), (40, 5)])
def test_recalls_against_a_full_sort(n_images: int, most_captions: int) -> None:
    draws = np.random.default_rng(n_images)
    image_of = np.sort(np.concatenate([
        np.arange(n_images), draws.integers(0, n_images, n_images * (most_captions - 1))
    ]))  # fmt: skip
    images = vectors_with_copies(draws, n_images)
    captions = vectors_with_copies(draws, len(image_of))
    mixed = images[image_of] + 0.7 * captions
    captions = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    values = {v.measure: (v.value, v.n) for v in recalls(images, captions, image_of)}
    by_image, by_caption = full_order(images, captions), full_order(captions, images)
    for k in (1, 5, 10):
        own = [bool({*by_image[i, :k]} & {*np.flatnonzero(image_of == i)}) for i in range(n_images)]
        assert values[f"image_to_text_recall@{k}"] == (np.mean(own), n_images)
        found = [image_of[c] in by_caption[c, :k] for c in range(len(image_of))]
        assert values[f"text_to_image_recall@{k}"] == (np.mean(found), len(image_of))


def test_blocks_of_queries_and_vectors_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(3)
    queries, vectors = vectors_with_copies(draws, 50), vectors_with_copies(draws, 90)
    whole = nearest(queries, vectors, 10)
    monkeypatch.setattr(retrieval, "_MOST_QUERIES", 7)
    monkeypatch.setattr(retrieval, "BLOCK_ROWS", 13)
    assert np.array_equal(nearest(queries, vectors, 10), whole)
    assert np.array_equal(whole, full_order(queries, vectors)[:, :10])
