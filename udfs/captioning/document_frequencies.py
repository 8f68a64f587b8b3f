"""Document frequencies of CIDEr without a table of all n-grams in any one place.

Images are divided into chunks by their uid. (1) The task of a chunk sends each n-gram of its
captions and references to the n-gram's part, with the number of the chunk's images whose references
have it. (2) A part sums these, and answers each chunk with the sums of the n-grams that it had
sent. (3) The captions of a chunk meet its answers. An n-gram of one image weighs as much as one of
none, so neither has an answer.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.captioning.key_tables import AHEAD, KeyTable, first_slot, slot_of
from udfs.captioning.ngrams import ORDERS, NgramKeys
from udfs.captioning.runs import runs
from udfs.compiled import compiled
from udfs.id_counts import COUNTS, IDS, pack_counts
from udfs.machine import PADDING, prefetch
from udfs.text.token_trie import padded_text

CHUNK = "chunk"
_PACKED_AT_ONCE = 1 << 18  # n-grams that a task collects: blobs of 2 KB
_IMAGE_BITS = 32  # of a note: how many images have the n-gram, and the last of them


class Requests:
    """The n-grams of a chunk's images, and in how many images' references each is."""

    def __init__(self) -> None:
        self._table = KeyTable()
        self._n_images = 0

    def add(
        self,
        ngrams: NgramKeys,
        image_offsets: NDArray[np.int64],
        is_reference: NDArray[np.bool_],
        is_compared: NDArray[np.bool_],
    ) -> int:
        """Add images until the table is full; how many were added, 0 where none has room.

        `image_offsets`: (n + 1,), image i has the texts from image_offsets[i] up to that of i + 1.
        `is_compared`: (n,), whether the image counts.
        """
        first, last = ORDERS * image_offsets[0], ORDERS * image_offsets[1]
        n_of_first = int(ngrams.starts[last] - ngrams.starts[first])
        if self.size and self.size + n_of_first > _PACKED_AT_ONCE:
            return 0
        self._table.make_room(max(_PACKED_AT_ONCE - self.size, n_of_first))
        added, self._table.n_keys = _add_images(
            ngrams.starts,
            ngrams.keys,
            image_offsets,
            is_reference,
            is_compared,
            self._table.slots,
            self._table.n_keys,
            self._n_images,
        )
        self._n_images += added
        return int(added)

    @property
    def size(self) -> int:
        """How many n-grams there are."""
        return self._table.n_keys

    def packed(self) -> pa.RecordBatch:
        """Part, ids and counts: the images whose references have the n-gram; empties the table."""
        keys, notes = self._table.entries()
        self._table.clear()
        self._n_images = 0
        return pack_counts(keys.view(np.int64), (notes >> np.uint64(_IMAGE_BITS)).view(np.int64))


@compiled
def _add_images(starts, keys, image_offsets, is_reference, is_compared, slots, n_keys, n_images):
    """(images added, keys in the table): as many images as the table has room for.

    A note: images << 32 | number of the last of them, from 1 on; a caption's number is 0 with the
    highest bit of that half, so that it is no free slot and of no image.
    """
    low = np.uint64((1 << _IMAGE_BITS) - 1)
    of_caption = np.uint64(1 << (_IMAGE_BITS - 1))
    most = slots.shape[0] // 2
    n = image_offsets.size - 1
    for image in range(n):
        first, last = image_offsets[image], image_offsets[image + 1]
        if not is_compared[image]:
            continue
        if n_keys + starts[ORDERS * last] - starts[ORDERS * first] > most:
            return image, n_keys
        number = np.uint64(n_images + image + 1)
        for text in range(first, last):
            for k in range(starts[ORDERS * text], starts[ORDERS * (text + 1)]):
                if k + AHEAD < keys.size:
                    prefetch(slots, 2 * first_slot(keys[k + AHEAD], slots.shape[0]))
                slot = slot_of(slots, keys[k])
                note = slots[slot, 1]
                if not note:
                    slots[slot, 0] = keys[k]
                    n_keys += 1
                    note = of_caption
                if is_reference[text] and (note & low) != number:
                    note = ((note >> np.uint64(_IMAGE_BITS)) + np.uint64(1)) << np.uint64(
                        _IMAGE_BITS
                    ) | number
                slots[slot, 1] = note
    return n, n_keys


def answers_of(requests: pa.RecordBatch) -> pa.RecordBatch:
    """Packed requests of some parts -> chunk, ids, counts of the n-grams of 2 images or more."""
    order = np.argsort(np.asarray(requests.column(CHUNK)), kind="stable")
    ordered = requests.take(pa.array(order))
    offsets, ids = padded_text(ordered.column(IDS))
    keys = ids[:-PADDING].view(np.uint64)
    counts = padded_text(ordered.column(COUNTS))[1][:-PADDING].view(np.int64)
    chunks = np.repeat(np.asarray(ordered.column(CHUNK)), np.diff(offsets) // 8)
    table = KeyTable()
    table.make_room(keys.size)
    _sum_counts(keys, counts, table.slots)
    is_answered, sums = _frequent(keys, table.slots)
    keys, chunks = keys[is_answered], chunks[is_answered]
    places = runs(chunks)
    columns = [
        pa.array([chunks[start] for start, _ in places], pa.int32()),
        pa.array([keys[start:end].tobytes() for start, end in places], pa.binary()),
        pa.array([sums[start:end].tobytes() for start, end in places], pa.binary()),
    ]
    return pa.RecordBatch.from_arrays(columns, [CHUNK, IDS, COUNTS])


@compiled
def _sum_counts(keys, counts, slots):
    """Enter 1 + the sum of the counts of each key: a note must not be 0."""
    for k in range(keys.size):
        slot = slot_of(slots, keys[k])
        if not slots[slot, 1]:
            slots[slot, 0], slots[slot, 1] = keys[k], np.uint64(1)
        slots[slot, 1] += np.uint64(counts[k])


@compiled
def _frequent(keys, slots):
    """(is_frequent, sums): whether each key is of two images or more, and the sums of those."""
    is_frequent = np.zeros(keys.size, np.bool_)
    sums = np.empty(keys.size, np.int64)
    n = 0
    for k in range(keys.size):
        total = np.int64(slots[slot_of(slots, keys[k]), 1]) - 1
        if total >= 2:
            is_frequent[k] = True
            sums[n] = total
            n += 1
    return is_frequent, sums[:n].copy()
