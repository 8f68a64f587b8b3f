"""Recall of images by their captions, and of captions by their images."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.device_products import products_of_task
from udfs.neighbours import BLOCK_ROWS, Nearest
from udfs.sts.evaluation import Value
from udfs.vectors import Vectors

PAPERS = (
    "CLIP, retrieval: recall at 1, 5 and 10 of captions for images, and of images for captions",
)
RETRIEVAL, ALL = "retrieval", "all"
AT = (1, 5, 10)
_MOST_QUERIES = 1 << 16  # of a pass, so that the nearest of all take 30 MB


def recalls(images: Vectors, captions: Vectors, image_of_caption: NDArray[np.int64]) -> list[Value]:
    """The share of images with a caption of theirs, and of captions with their image, in the k
    nearest.

    images: (n, dimension); captions: (m, dimension); image_of_caption: (m,), each image at least
    once. Of cosines that are equal in float32 the first row comes first.
    """
    nearest_captions = nearest(images, captions, max(AT))
    is_own = image_of_caption[nearest_captions] == np.arange(len(images))[:, None]
    is_image = nearest(captions, images, max(AT)) == image_of_caption[:, None]
    return [
        *_recalls("image_to_text", is_own),
        *_recalls("text_to_image", is_image),
    ]


def _recalls(direction: str, is_hit: NDArray[np.bool_]) -> Iterator[Value]:
    for k in AT:
        value = float(is_hit[:, :k].any(axis=1).mean())
        yield Value(RETRIEVAL, ALL, f"{direction}_recall@{k}", value, len(is_hit))


def nearest(queries: Vectors, vectors: Vectors, k: int) -> NDArray[np.int64]:
    """The rows of the k vectors of largest cosine with each query, the largest first, (n, k).

    k is at most the number of vectors. Memory grows with a block of queries and one of vectors.
    """
    k = min(k, len(vectors))
    blocks = [
        _nearest_of_block(queries[start : start + _MOST_QUERIES], vectors, k)
        for start in range(0, len(queries), _MOST_QUERIES)
    ]
    return np.concatenate(blocks)


def _nearest_of_block(queries: Vectors, vectors: Vectors, k: int) -> NDArray[np.int64]:
    search = Nearest(queries, k, products_of_task(queries, len(vectors)))
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS]
        rows = np.arange(start, start + len(block))
        search.add(block, pa.nulls(len(block), pa.string()), rows)
    found = search.result()
    query, similarity, row = (found[name].to_numpy() for name in ("query", "similarity", "tie"))
    order = np.lexsort((row, -similarity, query))
    ordered: NDArray[np.int64] = row[order].reshape(len(queries), k)
    return ordered
