"""What a part of n-grams answers and counts, after the shuffle of what tasks packed."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from udfs.arrow import Batches, BatchFunction, filled, split_batch
from udfs.captioning.document_frequencies import answers_of
from udfs.captioning.images import whole_images
from udfs.captioning.type_counts import TYPES_KIND, TypeNumbers
from udfs.id_counts import PART, PART_BITS

_MOST_BYTES = 8 << 20  # of the parts that are summed in one table, and of answers


def answered_and_counted(schema: pa.Schema) -> BatchFunction:
    """For mapInArrow: packed n-grams, sorted by part -> answers to chunks, and numbers of types.

    Answers: chunk, ids, counts. Numbers: set, ngram_order, level, jackknife, types, a row for each
    task and what is noted of n-grams. Columns `schema`.
    """

    def answered(batches: Batches) -> Iterator[pa.RecordBatch]:
        numbers = TypeNumbers()
        pieces = (piece for batch in batches for piece in split_batch(batch, _MOST_BYTES))
        for parts in whole_images(pieces, PART):
            is_types = np.asarray(parts.column(PART)) >> PART_BITS == TYPES_KIND
            n_requests = int(np.argmax(is_types)) if is_types.any() else parts.num_rows
            if n_requests:
                answers = filled(answers_of(parts.slice(0, n_requests)), schema)
                yield from split_batch(answers, _MOST_BYTES)
            if n_requests < parts.num_rows:
                numbers.add(parts.slice(n_requests))
        yield filled(numbers.rows(), schema)

    return answered
