"""Captions and references cut into tokens once: what is asked and counted of their n-grams.

Rows of an image stand together, references first. A task gives requests for document frequencies
and types, both packed, and each text's tokens as a blob of hashes, from which it is scored later.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction, filled
from udfs.captioning.document_frequencies import CHUNK, Requests
from udfs.captioning.images import image_starts, whole_images
from udfs.captioning.ngrams import NgramKeys, ngram_keys
from udfs.captioning.runs import runs
from udfs.captioning.tokens import Tokeniser, TokenRule, Tokens
from udfs.captioning.type_counts import Types
from udfs.machine import PADDING
from udfs.text.token_trie import padded_text

UID, TEXT, IS_REFERENCE, DRAW = "uid", "caption", "is_reference", "draw"
SOURCE_SET, GROUP_SET = "source_set", "group_set"  # numbers of sets; below 0: in none
PLACE, IMAGE, TOKENS, IMAGES = "place", "image", "tokens", "images"
PLACE_BITS = 40  # of a row in its chunk, whose number stands above


def packed_ngrams(rule: TokenRule, carried: Sequence[str], schema: pa.Schema) -> BatchFunction:
    """For mapInArrow: texts -> packed n-grams, and rows of tokens, with columns `schema`.

    In: chunk, uid, is_reference, caption, source_set, group_set, draw and `carried`; rows ascend
    by chunk, and those of an image stand together. Out, null but for

    - part, chunk, ids, counts of requests, and part, ids, counts of types;
    - chunk, place (ascending), image (a number of it), is_reference, tokens, the sets, draw and
      `carried` of texts: all captions, and the references of images that have a caption;
    - images: how many have a caption and a reference, a row for each task.
    """

    def packed(batches: Batches) -> Iterator[pa.RecordBatch]:
        task = _Task(rule, carried, schema)
        for rows in whole_images(batches, UID):
            yield from task.add(rows)
        yield from task.rest()

    return packed


class _Task:
    def __init__(self, rule: TokenRule, carried: Sequence[str], schema: pa.Schema) -> None:
        self._tokeniser = Tokeniser(rule)
        self._carried, self._schema = carried, schema
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
        yield self._token_rows(rows, tokens, starts, is_reference, is_compared)

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

    def _token_rows(
        self,
        rows: pa.RecordBatch,
        tokens: Tokens,
        starts: NDArray[np.int64],
        is_reference: NDArray[np.bool_],
        is_compared: NDArray[np.bool_],
    ) -> pa.RecordBatch:
        n = rows.num_rows
        sizes = np.diff(starts)
        chunks = np.asarray(rows.column(CHUNK)).astype(np.int64)
        places = chunks << PLACE_BITS | (self._n_rows + 1 + np.arange(n))
        images = self._n_images + np.repeat(np.arange(sizes.size), sizes)
        self._n_rows, self._n_images = self._n_rows + n, self._n_images + sizes.size
        kept = [CHUNK, IS_REFERENCE, SOURCE_SET, GROUP_SET, DRAW, *self._carried]
        columns = {name: rows.column(name) for name in kept}
        columns |= {PLACE: pa.array(places), IMAGE: pa.array(images)}
        columns[TOKENS] = _blobs(tokens, np.asarray(rows.column(TEXT).is_valid()))
        batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
        is_left_out = is_reference & ~np.repeat(is_compared, sizes)
        if is_left_out.any():
            batch = batch.filter(pa.array(~is_left_out))
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
