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
from udfs.captioning.runs import first_of_pairs, runs
from udfs.captioning.tokens import Tokeniser, TokenRule
from udfs.captioning.weights import Frequencies, frequency_table
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
    image_of_text = np.repeat(np.arange(len(texts)), np.diff(offsets))
    image_of_key = np.repeat(np.repeat(image_of_text, ORDERS), np.diff(ngrams.starts))
    first = first_of_pairs(ngrams.keys, image_of_key)
    return ngrams.keys[first], image_of_key[first]


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
    for blobs in blobs_by_part(batches):
        keys = concatenated(blobs[IDS])
        counts = concatenated(blobs[COUNTS])
        chunks = np.repeat(
            blobs[CHUNK].to_numpy(), [len(blob.as_buffer()) // 8 for blob in blobs[IDS]]
        )
        distinct, place = np.unique(keys, return_inverse=True)
        sums = np.bincount(place, weights=counts, minlength=distinct.size).astype(np.int64)[place]
        first = first_of_pairs(keys, chunks)
        first = first[sums[first] >= 2]
        keys, sums, chunks = keys[first], sums[first], chunks[first]
        places = runs(chunks)
        columns = [
            pa.array([chunks[start] for start, _ in places], pa.int32()),
            pa.array([keys[start:end].tobytes() for start, end in places], pa.binary()),
            pa.array([sums[start:end].tobytes() for start, end in places], pa.binary()),
        ]
        yield pa.RecordBatch.from_arrays(columns, [CHUNK, IDS, COUNTS])


def table_of(ids: list[bytes], counts: list[bytes]) -> Frequencies:
    """The table of a chunk's answers, which are of distinct n-grams."""
    keys = np.frombuffer(b"".join(ids), np.uint64)
    return frequency_table(keys, np.frombuffer(b"".join(counts), np.int64))
