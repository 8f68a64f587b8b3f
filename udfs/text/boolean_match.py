"""Evaluate boolean queries over the phrases that were found in each caption."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined

# Operators in a program; codes of 0 and above are phrases.
AND, OR, WITHOUT = -1, -2, -3


class Programs(NamedTuple):
    """Queries as programs in postfix order.

    Query q is `codes[ends[q]:ends[q + 1]]`. `anchored[starts[p]:starts[p + 1]]` are the queries
    anchored at phrase p: a query holds only if a phrase that it is anchored at occurs.
    """

    codes: NDArray[np.int32]
    ends: NDArray[np.int64]
    starts: NDArray[np.int64]
    anchored: NDArray[np.int32]


def match_queries(phrases: pa.ListArray, programs: Programs) -> pa.ListArray:
    """Numbers of the queries that hold for each list of phrases, ascending.

    phrases: list<int32>, (n,), ids of the phrases in a caption, each once.
    """
    offsets, queries = _match(phrases.offsets.to_numpy(), phrases.values.to_numpy(), programs)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(queries))


@compiled
def _match(offsets, phrases, programs):
    """(list offsets (n + 1,), query numbers): each caption's anchored queries, evaluated once.

    `is_present[p]`: whether the current caption has phrase p. `last_row[q]`: the last caption for
    which query q was evaluated.
    """
    n_rows = offsets.size - 1
    codes, ends = programs.codes, programs.ends
    starts, anchored = programs.starts, programs.anchored
    is_present = np.zeros(max(starts.size - 1, 1), np.bool_)
    last_row = np.full(ends.size, -1, np.int64)
    stack = np.zeros(max(codes.size, 1), np.bool_)
    matched = np.empty(max(64, n_rows), np.int32)
    list_offsets = np.zeros(n_rows + 1, np.int32)
    n_matched = 0
    for row in range(n_rows):
        row_start = n_matched
        for k in range(offsets[row], offsets[row + 1]):
            is_present[phrases[k]] = True
        for k in range(offsets[row], offsets[row + 1]):
            for a in range(starts[phrases[k]], starts[phrases[k] + 1]):
                query = anchored[a]
                if last_row[query] == row:
                    continue
                last_row[query] = row
                if not _holds(codes, ends[query], ends[query + 1], is_present, stack):
                    continue
                if n_matched == matched.size:
                    larger = np.empty(2 * matched.size, np.int32)
                    larger[:n_matched] = matched
                    matched = larger
                matched[n_matched] = query
                n_matched += 1
        for k in range(offsets[row], offsets[row + 1]):
            is_present[phrases[k]] = False
        matched[row_start:n_matched].sort()
        list_offsets[row + 1] = n_matched
    return list_offsets, matched[:n_matched].copy()


@inlined
def _holds(codes, start, end, is_present, stack):
    """Evaluate the program codes[start:end] on a stack of booleans."""
    depth = 0
    for k in range(start, end):
        code = codes[k]
        if code >= 0:
            stack[depth] = is_present[code]
            depth += 1
            continue
        depth -= 1
        if code == AND:
            stack[depth - 1] &= stack[depth]
        elif code == OR:
            stack[depth - 1] |= stack[depth]
        else:
            stack[depth - 1] &= not stack[depth]
    return stack[0]
