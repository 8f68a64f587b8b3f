"""Where entries stand in a text: their first code point and the one behind their last."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined

# A row of the tables in which kernels write spans.
ROW, ENTRY_ID, START, END = range(4)
Spans = NDArray[np.int32]


def no_spans() -> Spans:
    """Room for none."""
    return np.zeros((0, 4), np.int32)


def in_order(spans: Spans) -> Spans:
    """Spans by row, start, end, entry."""
    order = np.lexsort((spans[:, ENTRY_ID], spans[:, END], spans[:, START], spans[:, ROW]))
    ordered: Spans = spans[order]
    return ordered


def span_lists(spans: Spans, n_rows: int) -> pa.ListArray:
    """Each row's spans, list<struct<entry_id, start, end: int32>>, by start, end, entry."""
    ordered = in_order(spans)
    offsets = np.searchsorted(ordered[:, ROW], np.arange(n_rows + 1)).astype(np.int32)
    fields = [pa.array(np.ascontiguousarray(ordered[:, k])) for k in (ENTRY_ID, START, END)]
    structs = pa.StructArray.from_arrays(fields, ["entry_id", "start", "end"])
    return pa.ListArray.from_arrays(pa.array(offsets), structs)


@inlined
def write_span(spans, n, row, entry, start, end):
    """Write a span as the n-th, where there is room; give n + 1."""
    if n < spans.shape[0]:
        spans[n, ROW] = row
        spans[n, ENTRY_ID] = entry
        spans[n, START] = start
        spans[n, END] = end
    return n + 1


@compiled
def with_room(spans, n_kept, n_needed):
    """The first spans in a table that has room for more."""
    larger = np.empty((max(2 * spans.shape[0], n_needed), 4), np.int32)
    larger[:n_kept] = spans[:n_kept]
    return larger
