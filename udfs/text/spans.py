"""Spans: where entries occur in a text, half-open [start, end) in code points."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined

# Columns of a span array, (n, 4).
ROW, ENTRY_ID, START, END = range(4)
Spans = NDArray[np.int32]


def empty_spans() -> Spans:
    """A span array without rows."""
    return np.zeros((0, 4), np.int32)


def sort_spans(spans: Spans) -> Spans:
    """Sort by row, start, end, entry."""
    order = np.lexsort((spans[:, ENTRY_ID], spans[:, END], spans[:, START], spans[:, ROW]))
    ordered: Spans = spans[order]
    return ordered


def span_lists(spans: Spans, n_rows: int) -> pa.ListArray:
    """Each row's spans, list<struct<entry_id, start, end: int32>>, by start, end, entry."""
    ordered = sort_spans(spans)
    offsets = np.searchsorted(ordered[:, ROW], np.arange(n_rows + 1)).astype(np.int32)
    fields = [pa.array(np.ascontiguousarray(ordered[:, k])) for k in (ENTRY_ID, START, END)]
    structs = pa.StructArray.from_arrays(fields, ["entry_id", "start", "end"])
    return pa.ListArray.from_arrays(pa.array(offsets), structs)


@inlined
def write_span(spans, n, row, entry, start, end):
    """Write a span to row `n` of the array if it has one; give n + 1, the space needed so far."""
    if n < spans.shape[0]:
        spans[n, ROW] = row
        spans[n, ENTRY_ID] = entry
        spans[n, START] = start
        spans[n, END] = end
    return n + 1


@compiled
def grow_spans(spans, n_kept, n_needed):
    """A larger array, of at least `n_needed` rows, with the first `n_kept` spans."""
    larger = np.empty((max(2 * spans.shape[0], n_needed), 4), np.int32)
    larger[:n_kept] = spans[:n_kept]
    return larger
