"""What a part of n-grams answers and counts, after the shuffle of what tasks packed."""

from collections.abc import Iterator

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction, filled, split_batch
from udfs.captioning.document_frequencies import answers_of
from udfs.captioning.type_counts import TYPES_KIND, TypeNumbers
from udfs.id_counts import blobs_by_part, kind_of

_MOST_BYTES = 16 << 20  # of the answers that leave together


def answered_and_counted(schema: pa.Schema) -> BatchFunction:
    """For mapInArrow: packed n-grams, sorted by part -> answers to chunks, and numbers of types.

    Answers: chunk, ids, counts. Numbers: set, ngram_order, level, jackknife, types, a row for each
    task and what is noted of n-grams. Columns `schema`.
    """

    def answered(batches: Batches) -> Iterator[pa.RecordBatch]:
        numbers = TypeNumbers()
        for blobs in blobs_by_part(batches):
            if kind_of(blobs) == TYPES_KIND:
                numbers.add(blobs)
            else:
                yield from split_batch(filled(answers_of(blobs), schema), _MOST_BYTES)
        yield filled(numbers.rows(), schema)

    return answered
