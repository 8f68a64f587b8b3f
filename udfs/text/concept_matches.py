"""Match a task's captions with a concept bank: add entry_ids, or count the matches."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from udfs.arrow import Batches, BatchFunction, chained
from udfs.balancing import ENTRY_IDS, count_entries_and_rows, count_in_task
from udfs.compiled import one_compiles
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
    return chained(add_entry_ids(matcher, kept=(key,)), count_entries_and_rows(key=key))
