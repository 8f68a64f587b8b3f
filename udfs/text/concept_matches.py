"""Match a task's captions with a concept bank: add entry_ids, or count the matches."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from udfs.arrow import Batches, BatchFunction, chained
from udfs.balancing import (
    ENTRIES,
    ENTRY_IDS,
    KEYS,
    ROWS,
    EntryCounter,
    count_in_task,
    count_non_empty,
)
from udfs.compiled import one_compiles
from udfs.id_counts import IdPacker, pack_counts
from udfs.text.matchers import ConceptMatcher
from udfs.text.spans import span_lists


def add_entry_ids(
    matcher: ConceptMatcher, kept: Sequence[str], *, spans: str | None = None
) -> BatchFunction:
    """For mapInArrow: the matcher's columns -> the columns `kept`, entry_ids and maybe `spans`."""
    names = [*kept, ENTRY_IDS, *([] if spans is None else [spans])]

    def match(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles(type(matcher).__name__):
            matcher.match([pa.array([], pa.string()) for _ in matcher.columns])
        for batch in batches:
            matcher_input = [batch.column(name) for name in matcher.columns]
            columns = [*(batch.column(name) for name in kept), matcher.match(matcher_input)]
            if spans is not None:
                columns.append(span_lists(matcher.spans(matcher_input), batch.num_rows))
            yield pa.RecordBatch.from_arrays(columns, names)

    return match


def count_matched_entries(matcher: ConceptMatcher) -> BatchFunction:
    """For mapInArrow: the matcher's columns -> packed counts of the entries that match."""
    return chained(add_entry_ids(matcher, kept=()), count_in_task)


def count_entries_and_keys(matcher: ConceptMatcher, *, key: str) -> BatchFunction:
    """For mapInArrow: the matcher's columns and 64-bit `key` -> packed counts of three kinds.

    ENTRIES: captions that match each entry id. KEYS: each key. ROWS: all rows (id 0) and rows that
    match an entry (id 1).
    """
    match = add_entry_ids(matcher, kept=(key,))

    def count(batches: Batches) -> Iterator[pa.RecordBatch]:
        entry_counter, key_packer = EntryCounter(), IdPacker(KEYS)
        row_counts = np.zeros(2, np.int64)  # all rows, rows with an entry
        for batch in match(batches):
            entry_ids = batch.column(ENTRY_IDS)
            entry_counter.add(entry_ids)
            row_counts += [len(entry_ids), count_non_empty(entry_ids)]
            yield from key_packer.add(batch.column(key))
        yield from key_packer.flush()
        yield pack_counts(*entry_counter.counts(), kind=ENTRIES)
        yield pack_counts(np.arange(2), row_counts, kind=ROWS)

    return count
