"""CLIP's zero-shot classifier, as open_clip builds and runs it (Radford et al. 2021)."""

from collections.abc import Iterator, Mapping, Sequence

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
    last: tuple[int, NDArray[np.float64], int] | None = None  # of which rows may follow
    for batch in (batch for batch in batches if batch.num_rows):
        vectors = matrix(batch.column(1)).astype(np.float64)
        classes = batch.column(0).to_numpy()
        starts = np.flatnonzero(np.diff(classes, prepend=-1))
        ends = np.append(starts[1:], len(classes))
        sums = [
            (int(classes[a]), vectors[a:b].sum(axis=0), int(b - a))
            for a, b in zip(starts, ends, strict=True)
        ]
        if last is not None and sums[0][0] == last[0]:
            sums[0] = (last[0], last[1] + sums[0][1], last[2] + sums[0][2])
        elif last is not None:
            sums = [last, *sums]
        yield _class_rows(sums[:-1])
        last = sums[-1]
    yield _class_rows([] if last is None else [last])


def _class_rows(sums: Sequence[tuple[int, NDArray[np.float64], int]]) -> pa.RecordBatch:
    lengths = [float(np.linalg.norm(total)) or 1.0 for _, total, _ in sums]
    vectors = [(s[1] / n).astype(np.float32) for s, n in zip(sums, lengths, strict=True)]
    columns = [
        pa.array([number for number, _, _ in sums], pa.int32()),
        pa.array(vectors, pa.list_(pa.float32())),
        pa.array([n_prompts for _, _, n_prompts in sums], pa.int64()),
    ]
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
