"""CLIP's zero-shot classifier, as open_clip builds and runs it (Radford et al. 2021)."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.vectors import Vectors, matrix

PAPERS = (
    "CLIP, section 3.1.4: a class is the unit mean of the unit vectors of its prompts, an image "
    "goes to the class of the largest cosine",
)
_LOGIT_SCALE = np.float32(100)
_MOST_LOGITS = 1 << 23  # that a task holds at once: 32 MiB
_EMBEDDING, _FAULT = "embedding", "fault"
_NO_CLASS = "no_class"  # fault of an image whose class is null


def class_means(batches: Batches) -> Iterator[pa.RecordBatch]:
    """Mean of each class's prompt vectors, divided by its length: class, embedding, prompts.

    batches: class (int) and unit vector of each prompt, sorted by class. Sums are float64, in the
    order of the rows. A mean of length 0 stays zeros.
    """
    current: tuple[int, NDArray[np.float64], int] | None = None
    for batch in batches:
        if not batch.num_rows:
            continue
        vectors = matrix(batch.column(1)).astype(np.float64)
        classes = batch.column(0).to_pylist()
        for number, rows in groupby(range(len(classes)), key=classes.__getitem__):
            positions = list(rows)
            total = vectors[positions[0] : positions[-1] + 1].sum(axis=0)
            if current is not None and current[0] == number:
                current = (number, current[1] + total, current[2] + len(positions))
                continue
            if current is not None:
                yield _class_row(*current)
            current = (number, total, len(positions))
    if current is not None:
        yield _class_row(*current)


def _class_row(number: int, total: NDArray[np.float64], n_prompts: int) -> pa.RecordBatch:
    length = np.linalg.norm(total)
    vector = (total / length if length > 0 else total).astype(np.float32)
    columns = [pa.array([number], pa.int32()), pa.array([vector]), pa.array([n_prompts])]
    return pa.RecordBatch.from_arrays(columns, ["class", _EMBEDDING, "prompts"])


def logits(images: Vectors, classifier: Vectors) -> Vectors:
    """100 times the cosine of each image (n, dimension) and class (classes, dimension)."""
    products: Vectors = (_LOGIT_SCALE * images) @ classifier.T
    return products


def predicted_and_rank(
    scores: Vectors, own: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(class of the largest score, rank of the own class from 0) of each image, (n,).

    scores: (n, classes); own: each image's class. Of equal scores the lower class comes first.
    """
    own_scores = scores[np.arange(len(own)), own][:, None]
    is_before = np.arange(scores.shape[1]) < own[:, None]
    is_ahead = (scores > own_scores) | ((scores == own_scores) & is_before)
    return scores.argmax(axis=1), is_ahead.sum(axis=1)


def classify(
    classifier: Vectors, numbers: Mapping[str, int], values: Sequence[str], kept: Sequence[str]
) -> BatchFunction:
    """The mapInArrow function from embedded images to predictions.

    Input: the columns `kept` and class, embedding, fault. Output: `kept`, class, predicted, rank,
    fault. classifier: (classes, dimension). numbers: an image's class as it is given -> its row in
    the classifier, of which `values` has the class as it is written. An image without vector or
    class has no prediction, but a fault.
    """
    block = max(1, _MOST_LOGITS // len(classifier))

    def predict(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for start in range(0, batch.num_rows, block):
                yield _predictions(batch.slice(start, block))

    def _predictions(batch: pa.RecordBatch) -> pa.RecordBatch:
        own = [numbers.get(name) for name in batch.column("class").to_pylist()]
        faults = [
            _NO_CLASS if number is None else fault
            for number, fault in zip(own, batch.column(_FAULT).to_pylist(), strict=True)
        ]
        rows = np.flatnonzero([fault is None for fault in faults])
        predicted: list[str | None] = [None] * batch.num_rows
        ranks: list[int | None] = [None] * batch.num_rows
        if rows.size:
            images = matrix(batch.column(_EMBEDDING).take(pa.array(rows)))
            own_numbers = np.array([own[row] for row in rows], np.int64)
            largest, rank = predicted_and_rank(logits(images, classifier), own_numbers)
            for row, number, place in zip(rows, largest, rank, strict=True):
                predicted[row], ranks[row] = values[number], int(place)
        columns = [
            *(batch.column(name) for name in kept),
            pa.array([None if n is None else values[n] for n in own], pa.string()),
            pa.array(predicted, pa.string()),
            pa.array(ranks, pa.int32()),
            pa.array(faults, pa.string()),
        ]
        return pa.RecordBatch.from_arrays(columns, [*kept, "class", "predicted", "rank", _FAULT])

    return predict
