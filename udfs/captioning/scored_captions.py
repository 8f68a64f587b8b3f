"""The scores of each caption, and the statistics that the measures of a set sum up."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.captioning import statistics as st
from udfs.captioning.document_frequencies import CHUNK, table_of
from udfs.captioning.ngrams import ORDERS, Ngrams, count_ngrams
from udfs.captioning.runs import runs
from udfs.captioning.similarity import Similarity, bleu, compare
from udfs.captioning.tokens import Tokeniser, TokenRule
from udfs.captioning.weights import Frequencies, inverse_frequencies
from udfs.id_counts import COUNTS, IDS

TEXT, REFERENCES, IMAGE_COSINE, TEXT_COSINE = "caption", "references", "_image", "_text"
SCORES = (
    *("words", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "cider"),
    *("cosine_image", "clip_s", "cosine_text", "ref_clip_s"),
)


def scored(rule: TokenRule, carried: Sequence[str], *, n_images: int) -> BatchFunction:
    """For mapInArrow: captions, after the answers to their chunk -> `carried`, SCORES, statistics.

    Rows ascend by chunk, answers (rows without `carried`, with ids and counts) before captions.
    `n_images`: with references; 0 where nothing is compared with references.
    """

    def score_rows(batches: Batches) -> Iterator[pa.RecordBatch]:
        tokeniser = Tokeniser(rule)
        current = -1
        ids: list[bytes] = []
        counts: list[bytes] = []
        table: Frequencies | None = None
        for batch in batches:
            chunks = np.asarray(batch.column(CHUNK))
            is_answer = np.asarray(batch.column(IDS).is_valid())
            kinds = 2 * chunks.astype(np.int64) + ~is_answer
            for start, end in runs(kinds):
                rows = batch.slice(start, end - start)
                if chunks[start] != current:
                    current, table, ids, counts = int(chunks[start]), None, [], []
                if is_answer[start]:
                    ids += rows.column(IDS).to_pylist()
                    counts += rows.column(COUNTS).to_pylist()
                else:
                    table = table_of(ids, counts) if table is None else table
                    yield _scored(rows, tokeniser, table, carried, n_images)

    return score_rows


def _scored(
    rows: pa.RecordBatch,
    tokeniser: Tokeniser,
    table: Frequencies,
    carried: Sequence[str],
    n_images: int,
) -> pa.RecordBatch:
    """The scores of captions of one chunk."""
    captions = rows.column(TEXT)
    ngrams = count_ngrams(tokeniser.tokens(captions))
    n = rows.num_rows
    statistics = np.zeros((n, st.WIDTH))
    scores = np.full((n, len(SCORES)), np.nan)
    is_there = np.asarray(captions.is_valid())
    statistics[:, st.CAPTIONS] = is_there
    statistics[:, st.EMPTY] = is_there & (ngrams.lengths == 0)
    statistics[:, st.WORDS] = ngrams.lengths
    statistics[:, st.NGRAMS] = np.maximum(0, ngrams.lengths[:, None] - np.arange(ORDERS))
    scores[is_there, 0] = ngrams.lengths[is_there]
    if n_images:
        references = rows.column(REFERENCES)
        compared = np.flatnonzero(is_there & np.asarray(references.is_valid()))
        if compared.size:
            if compared.size < n:
                rows_compared = rows.take(pa.array(compared))
                counted = count_ngrams(tokeniser.tokens(rows_compared.column(TEXT)))
            else:
                rows_compared, counted = rows, ngrams
            similarity = _similarity(rows_compared, counted, tokeniser, table, n_images)
            _add_similarity(statistics, scores, compared, similarity)
    _add_cosines(statistics, scores, rows, is_there)
    columns = [rows.column(name) for name in carried]
    columns += [pa.array(scores[:, k], pa.float64(), from_pandas=True) for k in range(len(SCORES))]
    columns.append(_as_bytes(statistics))
    return pa.RecordBatch.from_arrays(columns, [*carried, *SCORES, st.STATISTICS])


def _similarity(
    rows: pa.RecordBatch,
    captions: Ngrams,
    tokeniser: Tokeniser,
    table: Frequencies,
    n_images: int,
) -> Similarity:
    texts = rows.column(REFERENCES)
    offsets = np.asarray(texts.offsets).astype(np.int64) - texts.offsets[0].as_py()
    references = count_ngrams(tokeniser.tokens(texts.flatten()))
    weights = [
        inverse_frequencies(ngrams.keys, table, n_images) for ngrams in (captions, references)
    ]
    return compare(captions, references, offsets, *weights)


def _add_similarity(
    statistics: NDArray[np.float64],
    scores: NDArray[np.float64],
    compared: NDArray[np.int64],
    similarity: Similarity,
) -> None:
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
    image, text = (
        rows.column(name).to_numpy(zero_copy_only=False) for name in (IMAGE_COSINE, TEXT_COSINE)
    )
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


def _as_bytes(statistics: NDArray[np.float64]) -> pa.Array:
    offsets = np.arange(len(statistics) + 1, dtype=np.int32) * (8 * st.WIDTH)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(statistics))]
    return pa.Array.from_buffers(pa.binary(), len(statistics), buffers)
