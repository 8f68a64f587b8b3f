"""Captions and references cut into tokens once: what is asked and counted of their n-grams.

Rows of an image stand together, references first. A task gives requests for document frequencies
and types, both packed, and blobs of rows of texts with their tokens as hashes, from which these are
scored later.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction, filled
from udfs.captioning.document_frequencies import CHUNK, Requests
from udfs.captioning.images import image_starts, whole_images
from udfs.captioning.ngrams import NgramKeys, ngram_keys
from udfs.captioning.row_blobs import blob_starts, pack_rows
from udfs.captioning.runs import runs
from udfs.captioning.tokens import Tokeniser, TokenRule, Tokens
from udfs.captioning.type_counts import Types
from udfs.machine import PADDING
from udfs.text.token_trie import padded_text

UID, TEXT, IS_REFERENCE, DRAW = "uid", "caption", "is_reference", "draw"
SOURCE_SET, GROUP_SET = "source_set", "group_set"  # numbers of sets; below 0: in none
PLACE, TEXTS, IMAGES = "place", "texts", "images"
IMAGE, TOKENS = "image", "tokens"  # in rows of texts
PLACE_BITS = 40  # of a row in its chunk, whose number stands above
_ROW_BYTES = 64  # of a text beside its tokens, about


def packed_ngrams(rule: TokenRule, texts: pa.Schema, schema: pa.Schema) -> BatchFunction:
    """For mapInArrow: texts -> packed n-grams, and blobs of texts, with columns `schema`.

    In: chunk, uid, is_reference, caption, source_set, group_set, draw and more; rows ascend by
    chunk, and those of an image stand together. Out, null but for

    - part, chunk, ids, counts of requests, and part, ids, counts of types;
    - chunk, place (ascending) and texts: a blob (`row_blobs`) of rows with columns `texts`, which
      are image (a number of it), tokens, and columns of the input; all captions are there, and the
      references of images that have a caption; a blob is of one chunk;
    - images: how many have a caption and a reference, a row for each task.
    """

    def packed(batches: Batches) -> Iterator[pa.RecordBatch]:
        task = _Task(rule, texts, schema)
        for rows in whole_images(batches, UID):
            yield from task.add(rows)
        yield from task.rest()

    return packed


class _Task:
    def __init__(self, rule: TokenRule, texts: pa.Schema, schema: pa.Schema) -> None:
        self._tokeniser = Tokeniser(rule)
        self._texts, self._schema = texts, schema
        self._requests, self._types = Requests(), Types()
        self._chunk = -1
        self._n_rows = self._n_images = self._n_compared = 0

    def add(self, rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Add rows of whole images."""
        texts = rows.column(TEXT)
        tokens = self._tokeniser.tokens(texts)
        ngrams = ngram_keys(tokens)
        is_reference = np.asarray(rows.column(IS_REFERENCE))
        starts = image_starts(rows.column(UID))
        is_caption = ~is_reference & np.asarray(texts.is_valid())
        is_compared = _any(is_reference, starts) & _any(is_caption, starts)
        self._n_compared += int(is_compared.sum())
        sets = np.column_stack([np.asarray(rows.column(name)) for name in (SOURCE_SET, GROUP_SET)])
        sets[~is_caption] = -1
        draws = rows.column(DRAW).to_numpy(zero_copy_only=False)
        for batch in self._types.add(ngrams.starts, ngrams.keys, draws, sets):
            yield filled(batch, self._schema)
        if is_compared.any():
            chunks = np.asarray(rows.column(CHUNK))[starts[:-1]]
            yield from self._add_requests(chunks, ngrams, starts, is_reference, is_compared)
        yield from self._text_blobs(rows, tokens, starts, is_reference, is_compared)

    def rest(self) -> Iterator[pa.RecordBatch]:
        """What is not packed yet."""
        yield from self._flush_requests()
        for batch in self._types.flush():
            yield filled(batch, self._schema)
        images = pa.array([self._n_compared], pa.int64())
        yield filled(pa.RecordBatch.from_arrays([images], [IMAGES]), self._schema)

    def _add_requests(
        self,
        chunks: NDArray[np.int32],
        ngrams: NgramKeys,
        starts: NDArray[np.int64],
        is_reference: NDArray[np.bool_],
        is_compared: NDArray[np.bool_],
    ) -> Iterator[pa.RecordBatch]:
        for first, end in runs(chunks):
            if chunks[first] != self._chunk:
                yield from self._flush_requests()
                self._chunk = int(chunks[first])
            image = first
            while image < end:
                added = self._requests.add(
                    ngrams, starts[image : end + 1], is_reference, is_compared[image:end]
                )
                image += added
                if image < end:
                    yield from self._flush_requests()

    def _flush_requests(self) -> Iterator[pa.RecordBatch]:
        if self._requests.size:
            batch = self._requests.packed()
            chunks = pa.array(np.full(batch.num_rows, self._chunk, np.int32))
            names = [*batch.schema.names, CHUNK]
            yield filled(pa.RecordBatch.from_arrays([*batch.columns, chunks], names), self._schema)

    def _text_blobs(
        self,
        rows: pa.RecordBatch,
        tokens: Tokens,
        starts: NDArray[np.int64],
        is_reference: NDArray[np.bool_],
        is_compared: NDArray[np.bool_],
    ) -> Iterator[pa.RecordBatch]:
        sizes = np.diff(starts)
        images = self._n_images + np.repeat(np.arange(sizes.size), sizes)
        self._n_images += sizes.size
        made = {IMAGE: pa.array(images)}
        made[TOKENS] = _blobs(tokens, np.asarray(rows.column(TEXT).is_valid()))
        columns = [made[name] if name in made else rows.column(name) for name in self._texts.names]
        texts = pa.RecordBatch.from_arrays(columns, schema=self._texts)
        chunks = np.asarray(rows.column(CHUNK))
        row_bytes = _ROW_BYTES + 8 * np.diff(tokens.offsets)
        is_left_out = is_reference & ~np.repeat(is_compared, sizes)
        if is_left_out.any():
            texts = texts.filter(pa.array(~is_left_out))
            chunks, row_bytes = chunks[~is_left_out], row_bytes[~is_left_out]
        for first, end in runs(chunks):
            yield self._packed_texts(
                int(chunks[first]), texts.slice(first, end - first), row_bytes[first:end]
            )

    def _packed_texts(
        self, chunk: int, texts: pa.RecordBatch, row_bytes: NDArray[np.int64]
    ) -> pa.RecordBatch:
        """Rows of one chunk as blobs."""
        starts = blob_starts(row_bytes)
        places = (chunk << PLACE_BITS) + self._n_rows + 1 + starts[:-1]
        self._n_rows += texts.num_rows
        columns = {
            CHUNK: pa.array(np.full(places.size, chunk, np.int32)),
            PLACE: pa.array(places),
            TEXTS: pack_rows(texts, starts),
        }
        batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
        return filled(batch, self._schema)


def _any(values: NDArray[np.bool_], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether any value of each run is true."""
    return np.asarray(np.logical_or.reduceat(values, starts[:-1]))


def _blobs(tokens: Tokens, is_there: NDArray[np.bool_]) -> pa.Array:
    """The tokens' hashes as bytes, a blob a text, null where the text is."""
    offsets = (8 * tokens.offsets).astype(np.int32)
    validity = None if is_there.all() else pa.array(is_there).buffers()[1]
    buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(tokens.hashes))]
    return pa.Array.from_buffers(pa.binary(), offsets.size - 1, buffers)


def tokens_of(blobs: pa.BinaryArray) -> Tokens:
    """The tokens in blobs of `packed_ngrams`; a null has none."""
    offsets, data = padded_text(blobs)
    if blobs.null_count:  # bytes below a null would be those of no text
        return tokens_of(blobs.fill_null(b""))
    return Tokens(offsets // 8, data[:-PADDING].view(np.uint64))
