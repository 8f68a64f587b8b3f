"""The scores of each caption, and the statistics that the measures of a set sum up."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction, filled
from udfs.captioning import statistics as st
from udfs.captioning.document_frequencies import CHUNK
from udfs.captioning.images import image_starts, whole_images
from udfs.captioning.ngrams import Ngrams, count_ngrams
from udfs.captioning.packed_ngrams import (
    DRAW,
    GROUP_SET,
    IMAGE,
    IS_REFERENCE,
    SOURCE_SET,
    TEXTS,
    TOKENS,
    tokens_of,
)
from udfs.captioning.row_blobs import unpacked_rows
from udfs.captioning.runs import runs
from udfs.captioning.set_sums import IMAGE_BIN, SET, STATISTICS, TEXT_BIN, SetSums
from udfs.captioning.similarity import bleu, compare
from udfs.captioning.weights import Frequencies
from udfs.id_counts import COUNTS, IDS
from udfs.task_errors import TaskInputError

IMAGE_COSINE, TEXT_COSINE = "_image", "_text"
SCORES = (
    *("words", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "cider"),
    *("cosine_image", "clip_s", "cosine_text", "ref_clip_s"),
)
_SLACK = 0.01  # beyond 1, of cosines in few bits


def scored(n_images: int, texts: pa.Schema) -> BatchFunction:
    """For mapInArrow: blobs of texts of `packed_ngrams`, after the answers to their chunk ->
    captions.

    Adds SCORES and statistics to each caption's columns, `texts`. Rows ascend by chunk and place,
    answers (with ids and counts) before blobs. `n_images`: with references and captions; 0 where
    nothing is compared. Raises TaskInputError where a cosine is none.
    """

    def score_rows(batches: Batches) -> Iterator[pa.RecordBatch]:
        for frequencies, rows in _with_frequencies(batches, n_images, texts):
            yield _scored(rows, frequencies)

    return score_rows


def _with_frequencies(
    batches: Batches, n_images: int, texts: pa.Schema
) -> Iterator[tuple[Frequencies | None, pa.RecordBatch]]:
    """Texts of whole images, and the document frequencies of their chunk."""
    if not n_images:
        blobs = (batch.column(TEXTS) for batch in batches)
        yield from ((None, rows) for rows in unpacked_rows(blobs, texts))
        return
    for chunk_rows in _by_chunk(batches):
        answers: list[pa.RecordBatch] = []
        rows = unpacked_rows(_blobs(chunk_rows, answers), texts)
        frequencies = None
        for whole in whole_images(rows, IMAGE):
            if frequencies is None:  # the answers are all there, as the first row is
                frequencies = _frequencies(answers, n_images)
            yield frequencies, whole


def _by_chunk(batches: Batches) -> Iterator[Iterator[pa.RecordBatch]]:
    """The rows of each chunk, in parts as they come."""
    parts = (
        (int(batch.column(CHUNK)[start].as_py()), batch.slice(start, end - start))
        for batch in batches
        for start, end in runs(np.asarray(batch.column(CHUNK)))
    )
    for _, of_chunk in groupby(parts, key=itemgetter(0)):
        yield (part for _, part in of_chunk)


def _blobs(
    parts: Iterator[pa.RecordBatch], answers: list[pa.RecordBatch]
) -> Iterator[pa.BinaryArray]:
    """The blobs of texts; what comes before them is appended to `answers`."""
    for part in parts:
        is_answer = part.column(IDS).is_valid()
        n_answers = int(np.asarray(is_answer).sum())
        if n_answers:
            answers.append(part.slice(0, n_answers).select([IDS, COUNTS]))
        yield part.column(TEXTS)


def _frequencies(answers: list[pa.RecordBatch], n_images: int) -> Frequencies:
    ids, counts = (
        [blob for batch in answers for blob in batch.column(name).to_pylist()]
        for name in (IDS, COUNTS)
    )
    return Frequencies(ids, counts, n_images)


def _scored(rows: pa.RecordBatch, frequencies: Frequencies | None) -> pa.RecordBatch:
    """The captions among the rows with their scores and statistics."""
    ngrams = count_ngrams(tokens_of(rows.column(TOKENS)))
    is_reference = np.asarray(rows.column(IS_REFERENCE))
    places = np.flatnonzero(~is_reference)  # of captions
    captions = rows if places.size == rows.num_rows else rows.take(pa.array(places))
    n = places.size
    lengths = ngrams.lengths[places]
    statistics, scores = np.zeros((n, st.WIDTH)), np.full((n, len(SCORES)), np.nan)
    is_there = np.asarray(captions.column(TOKENS).is_valid())
    statistics[:, st.CAPTIONS] = is_there
    statistics[:, st.EMPTY] = is_there & (lengths == 0)
    statistics[:, st.WORDS] = lengths
    scores[is_there, 0] = lengths[is_there]
    if frequencies is not None:
        starts = image_starts(rows.column(IMAGE))
        n_references = np.add.reduceat(is_reference.astype(np.int64), starts[:-1])
        sizes = np.diff(starts)
        ranges = np.repeat(np.column_stack([starts[:-1], starts[:-1] + n_references]), sizes, 0)
        compared = np.flatnonzero(is_there & np.repeat(n_references > 0, sizes)[places])
        _add_similarity(statistics, scores, compared, ngrams, frequencies, places, ranges[places])
    _add_cosines(statistics, scores, captions, is_there)
    names = captions.schema.names
    columns = [*captions.columns, *(_nullable(column) for column in scores.T)]
    columns.append(st.as_blobs(statistics))
    return pa.RecordBatch.from_arrays(columns, [*names, *SCORES, STATISTICS])


def _nullable(column: NDArray[np.float64]) -> pa.Array:
    return pa.array(np.ascontiguousarray(column), pa.float64(), from_pandas=True)


def _add_similarity(
    statistics: NDArray[np.float64],
    scores: NDArray[np.float64],
    compared: NDArray[np.int64],
    ngrams: Ngrams,
    frequencies: Frequencies,
    places: NDArray[np.int64],
    references: NDArray[np.int64],
) -> None:
    """BLEU's counts and CIDEr of the captions `compared`, of those at `places` of the texts."""
    similarity = compare(
        ngrams, frequencies.weights(ngrams.keys), places[compared], references[compared]
    )
    lengths = similarity.reference_length.astype(np.float64)
    matches, guesses = (
        counts.astype(np.float64) for counts in (similarity.matches, similarity.guesses)
    )
    statistics[compared, st.REFERRED] = 1
    statistics[compared, st.REFERENCE_LENGTH] = lengths
    statistics[compared, st.CIDER] = similarity.cider
    statistics[compared, st.MATCHES] = matches
    statistics[compared, st.GUESSES] = guesses
    scores[compared, 1:5] = bleu(matches, guesses, lengths)
    scores[compared, 5] = similarity.cider


def _add_cosines(
    statistics: NDArray[np.float64],
    scores: NDArray[np.float64],
    rows: pa.RecordBatch,
    is_there: NDArray[np.bool_],
) -> None:
    """CLIP-S, and RefCLIP-S where both cosines are known."""
    image, text = (_cosines(rows, name) for name in (IMAGE_COSINE, TEXT_COSINE))
    with_image, with_text = (np.isfinite(cosines) & is_there for cosines in (image, text))
    clip_s = st.CLIP_FACTOR * np.maximum(np.where(with_image, image, 0.0), 0.0)
    both = with_image & with_text
    referred = st.ref_clip_s(clip_s, np.where(with_text, text, 0.0))
    for place, is_known, values in (
        (6, with_image, image),
        (7, with_image, clip_s),
        (8, with_text, text),
        (9, both, referred),
    ):
        scores[is_known, place] = values[is_known]
    for count, total, is_known, values in (
        (st.SCORED, st.COSINE, with_image, image),
        (st.SCORED, st.CLIP_S, with_image, clip_s),
        (st.COMPARED, st.TEXT_COSINE, with_text, text),
        (st.REFERRED_CLIP, st.REF_CLIP_S, both, referred),
    ):
        statistics[:, count] = is_known
        statistics[is_known, total] = values[is_known]


def _cosines(rows: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    """A column of cosines, null as NaN; NaN where there is no such column."""
    if name not in rows.schema.names:
        return np.full(rows.num_rows, np.nan)
    cosines: NDArray[np.float64] = rows.column(name).to_numpy(zero_copy_only=False)
    beyond = cosines[np.abs(cosines) > 1.0 + _SLACK]
    if beyond.size:
        raise TaskInputError(
            f"the score {beyond[0]:g} of a caption is no cosine, which is from -1 to 1; divide "
            "scores that are percentages by 100, or take another column"
        )
    return cosines


def summed(
    used: Sequence[int],
    carried: Sequence[str],
    schema: pa.Schema,
    *,
    n_replicates: int,
    n_summed: int,
) -> BatchFunction:
    """For mapInArrow: captions of `scored` -> those of `carried` and sums, with columns `schema`.

    `carried`: columns of each caption that are given back; without any, captions are not. `used`:
    which statistics are summed. Of sets from number `n_summed` on each caption's statistics are
    given instead: set, draw and statistics.
    """

    def sum_rows(batches: Batches) -> Iterator[pa.RecordBatch]:
        sums = SetSums(n_replicates, len(used))
        for batch in batches:
            sets = [np.asarray(batch.column(name)) for name in (SOURCE_SET, GROUP_SET)]
            draws = batch.column(DRAW).to_numpy()
            statistics = st.from_blobs(batch.column(STATISTICS), st.WIDTH)[:, used]
            in_task = [np.where(numbers < n_summed, numbers, -1) for numbers in sets]
            sums.add(in_task, draws, statistics)
            bins = [batch.column(b) for b in (IMAGE_BIN, TEXT_BIN) if b in batch.schema.names]
            sums.count_bins(sets[0], bins)
            if carried:
                yield filled(batch.select([*carried]), schema)
            for numbers in sets:
                rows = np.flatnonzero(numbers >= n_summed)
                if rows.size:
                    columns = [numbers[rows].astype(np.int32), draws[rows]]
                    blobs = st.as_blobs(statistics[rows])
                    arrays = [*map(pa.array, columns), blobs]
                    apart = pa.RecordBatch.from_arrays(arrays, [SET, DRAW, STATISTICS])
                    yield filled(apart, schema)
        for batch in sums.rows():
            yield filled(batch, schema)

    return sum_rows
