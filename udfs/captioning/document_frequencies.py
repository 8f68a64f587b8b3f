"""Document frequencies of CIDEr without a table of all n-grams in any one place.

Images are divided into chunks by their uid. (1) The tasks of a chunk send each n-gram of its
captions and references to the n-gram's part, with the number of the chunk's images whose references
have it. (2) A part sums these, and answers each chunk with the sums of the n-grams that it had
sent. (3) The captions of a chunk meet its answers. An n-gram of one image weighs as much as one of
none, so neither has an answer.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.captioning.ngrams import ORDERS, count_ngrams
from udfs.captioning.runs import runs
from udfs.captioning.tokens import Tokeniser, TokenRule
from udfs.captioning.weights import Frequencies, frequency_table
from udfs.compiled import compiled
from udfs.id_counts import COUNTS, IDS, PART, blobs_by_part, concatenated, pack_counts

CHUNK = "chunk"
_BUFFERED = 1 << 20  # n-grams that a task collects before it packs them


def packed_requests(rule: TokenRule, *, are_references: bool) -> BatchFunction:
    """For mapInArrow: columns chunk and texts (a list, of an image) -> part, chunk, ids, counts.

    Counts: the images whose texts have the n-gram; 0 unless `are_references`. Rows ascend by chunk.
    """

    def packed(batches: Batches) -> Iterator[pa.RecordBatch]:
        tokeniser = Tokeniser(rule)
        buffer: list[tuple[int, NDArray[np.uint64]]] = []
        for batch in batches:
            chunks = np.asarray(batch.column(CHUNK))
            keys, image_of_key = _keys_by_image(batch.column(1), tokeniser)
            for start, end in runs(chunks):
                if buffer and buffer[0][0] != chunks[start]:
                    yield _packed(buffer, are_references)
                first, last = np.searchsorted(image_of_key, [start, end])
                buffer.append((int(chunks[start]), keys[first:last]))
                if sum(part.size for _, part in buffer) >= _BUFFERED:
                    yield _packed(buffer, are_references)
        if buffer:
            yield _packed(buffer, are_references)

    return packed


def _keys_by_image(
    texts: pa.ListArray, tokeniser: Tokeniser
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """(keys, images): each image's distinct n-grams, and the row of the image of each."""
    ngrams = count_ngrams(tokeniser.tokens(texts.flatten()))
    offsets = np.asarray(texts.offsets) - texts.offsets[0].as_py()
    keys, image_offsets = _distinct(ngrams.starts, ngrams.keys, offsets.astype(np.int64))
    return keys, np.repeat(np.arange(len(texts)), np.diff(image_offsets))


@compiled
def _distinct(starts, keys, text_offsets):
    """(keys, offsets): the distinct n-grams of all texts of each image."""
    n_images = text_offsets.size - 1
    new_keys = np.empty(keys.size, np.uint64)
    offsets = np.zeros(n_images + 1, np.int64)
    n = 0
    for image in range(n_images):
        first, last = starts[ORDERS * text_offsets[image]], starts[ORDERS * text_offsets[image + 1]]
        ordered = np.sort(keys[first:last])
        for k in range(ordered.size):
            if k == 0 or ordered[k] != ordered[k - 1]:
                new_keys[n] = ordered[k]
                n += 1
        offsets[image + 1] = n
    return new_keys[:n].copy(), offsets


def _packed(buffer: list[tuple[int, NDArray[np.uint64]]], are_references: bool) -> pa.RecordBatch:
    """Pack the buffer, whose n-grams are of one chunk, and empty it."""
    chunk = buffer[0][0]
    keys, counts = np.unique(np.concatenate([part for _, part in buffer]), return_counts=True)
    buffer.clear()
    counts = counts.astype(np.int64) if are_references else np.zeros(keys.size, np.int64)
    batch = pack_counts(keys.view(np.int64), counts)
    return _with_chunks(batch, np.full(batch.num_rows, chunk, np.int32))


def _with_chunks(batch: pa.RecordBatch, chunks: NDArray[np.int32]) -> pa.RecordBatch:
    columns = [batch.column(PART), pa.array(chunks), batch.column(IDS), batch.column(COUNTS)]
    return pa.RecordBatch.from_arrays(columns, [PART, CHUNK, IDS, COUNTS])


def answered(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: packed requests, sorted by part -> chunk, ids, counts from 2 images on."""
    for unordered in blobs_by_part(batches):
        blobs = unordered.sort_by(CHUNK)
        keys = concatenated(blobs[IDS])
        counts = concatenated(blobs[COUNTS])
        chunks = np.repeat(
            blobs[CHUNK].to_numpy(), [len(blob.as_buffer()) // 8 for blob in blobs[IDS]]
        )
        order = np.argsort(keys, kind="stable")  # keeps chunks ascending
        keys, sums, chunks = _frequent(keys[order], counts[order], chunks[order])
        order = np.argsort(chunks, kind="stable")
        keys, sums, chunks = keys[order], sums[order], chunks[order]
        places = runs(chunks)
        columns = [
            pa.array([chunks[start] for start, _ in places], pa.int32()),
            pa.array([keys[start:end].tobytes() for start, end in places], pa.binary()),
            pa.array([sums[start:end].tobytes() for start, end in places], pa.binary()),
        ]
        yield pa.RecordBatch.from_arrays(columns, [CHUNK, IDS, COUNTS])


@compiled
def _frequent(keys, counts, chunks):
    """(keys, sums, chunks) of n-grams of at least two images, once for each chunk that sent them.

    `keys` ascend, and the chunks of a key.
    """
    n_rows = keys.size
    new_keys, sums = np.empty(n_rows, np.int64), np.empty(n_rows, np.int64)
    new_chunks = np.empty(n_rows, np.int32)
    n = 0
    start = 0
    while start < n_rows:
        end = start
        total = 0
        while end < n_rows and keys[end] == keys[start]:
            total += counts[end]
            end += 1
        if total >= 2:
            for k in range(start, end):
                if k == start or chunks[k] != chunks[k - 1]:
                    new_keys[n], sums[n], new_chunks[n] = keys[k], total, chunks[k]
                    n += 1
        start = end
    return new_keys[:n].copy(), sums[:n].copy(), new_chunks[:n].copy()


def table_of(ids: list[bytes], counts: list[bytes]) -> Frequencies:
    """The table of a chunk's answers, which are of distinct n-grams."""
    keys = np.frombuffer(b"".join(ids), np.uint64)
    return frequency_table(keys, np.frombuffer(b"".join(counts), np.int64))
