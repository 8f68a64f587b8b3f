"""Retrieval by embeddings: vectors of images and of their captions, on the driver."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import EMBEDDING, FAULT, ITEM_HASH, UID
from spark_jobs.embedding.driver_vectors import refuse_too_large_for_driver
from udfs.clip_evaluation.retrieval import recalls
from udfs.sts.evaluation import Value
from udfs.vectors import Vectors, matrix

_REMEDY = "give fewer pairs: recall is compared at the sizes of benchmarks, thousands of images"


@dataclass(frozen=True)
class Recalled:
    """Recalls; the images and captions they are of; rows of either that were left out."""

    values: list[Value]
    images: int
    captions: int
    without_vector: int


@dataclass(frozen=True)
class _Items:
    """Vectors (n, dimension) with their uids (n,) and hashes of their content (n,)."""

    vectors: Vectors
    uids: NDArray[np.object_]
    hashes: NDArray[np.int64]
    n_without: int

    def rows(self, places: NDArray[np.int64]) -> "_Items":
        """Some of the items, in this order."""
        return _Items(self.vectors[places], self.uids[places], self.hashes[places], self.n_without)


def evaluate_retrieval(images: DataFrame, captions: DataFrame, address: str) -> Recalled:
    """Recalls at 1, 5 and 10 of embedded images and captions, both with uid, item_hash, fault.

    Images and captions go in the order of uid and content. An image without a vector or caption,
    and the captions of one, are left out. Raises InputDataError if nothing remains, if a uid has
    several images, or if the vectors are too many for the driver.
    """
    pictures, texts = _collect(images, address), _collect(captions, address)
    pictures = _one_a_uid(pictures, address)
    shared = np.intersect1d(pictures.uids, texts.uids)
    if not shared.size:
        raise InputDataError(f"pairs {address}: no image with a caption has a vector")
    pictures = pictures.rows(np.flatnonzero(np.isin(pictures.uids, shared)))
    texts = texts.rows(np.flatnonzero(np.isin(texts.uids, shared)))
    image_of_caption = np.searchsorted(pictures.uids, texts.uids)
    return Recalled(
        recalls(pictures.vectors, texts.vectors, image_of_caption),
        len(pictures.uids),
        len(texts.uids),
        pictures.n_without + texts.n_without,
    )


def _collect(embedded: DataFrame, address: str) -> _Items:
    """The items that have a vector, sorted by uid and content."""
    parts = [*_parts(embedded.select(UID, ITEM_HASH, EMBEDDING, FAULT), address)]
    if not any(len(part.uids) for part in parts):
        raise InputDataError(f"pairs {address}: no image, or no caption, has a vector")
    with_rows = [part for part in parts if len(part.uids)]
    items = _Items(
        np.concatenate([part.vectors for part in with_rows]),
        np.concatenate([part.uids for part in with_rows]),
        np.concatenate([part.hashes for part in with_rows]),
        sum(part.n_without for part in parts),
    )
    return items.rows(np.lexsort((items.hashes, items.uids)))


def _parts(embedded: DataFrame, address: str) -> Iterator[_Items]:
    n_rows = 0
    for batch in record_batches(embedded):
        with_vector = batch.filter(batch.column(2).is_valid())
        vectors = matrix(with_vector.column(2))
        n_rows += len(vectors)
        if len(vectors):
            refuse_too_large_for_driver(n_rows, vectors.shape[1], address, _REMEDY)
        yield _Items(
            vectors,
            np.array(with_vector.column(0).to_pylist(), object),
            with_vector.column(1).to_numpy(),
            batch.num_rows - with_vector.num_rows,
        )


def _one_a_uid(pictures: _Items, address: str) -> _Items:
    """The first row of each uid; the rows of one must have the same image."""
    is_same_uid = pictures.uids[1:] == pictures.uids[:-1]
    differs = is_same_uid & (pictures.hashes[1:] != pictures.hashes[:-1])
    if differs.any():
        uid = pictures.uids[1:][differs][0]
        raise InputDataError(f"pairs {address}: uid {uid!r} has several images, expected one")
    is_first = np.concatenate([[True], ~is_same_uid])
    return pictures.rows(np.flatnonzero(is_first))
