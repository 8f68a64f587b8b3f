"""Which boolean queries hold, given the phrases that a caption has."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.compiled import compiled, inlined

# Operators of a program; 0 and more are phrases.
AND, OR, WITHOUT = -1, -2, -3


class Programs(NamedTuple):
    """Queries in postfix order.

    Query q is `codes[ends[q]:ends[q + 1]]`. Phrase p may be the reason for the queries
    `anchored[starts[p]:starts[p + 1]]`; no other query holds for its sake.
    """

    codes: NDArray[np.int32]
    ends: NDArray[np.int64]
    starts: NDArray[np.int64]
    anchored: NDArray[np.int32]


def match_queries(phrases: pa.ListArray, programs: Programs) -> pa.ListArray:
    """Numbers of the queries that hold for each list of phrases, ascending.

    phrases: list<int32>, (n,), ids of the phrases found, each once.
    """
    offsets, found = _match(phrases.offsets.to_numpy(), phrases.values.to_numpy(), programs)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(found))


@compiled
def _match(offsets, phrases, programs):
    n_rows = offsets.size - 1
    codes, ends = programs.codes, programs.ends
    starts, anchored = programs.starts, programs.anchored
    is_there = np.zeros(max(starts.size - 1, 1), np.bool_)
    looked_at = np.full(ends.size, -1, np.int64)
    stack = np.zeros(max(codes.size, 1), np.bool_)
    found = np.empty(max(64, n_rows), np.int32)
    list_offsets = np.zeros(n_rows + 1, np.int32)
    n_found = 0
    for row in range(n_rows):
        begin = n_found
        for k in range(offsets[row], offsets[row + 1]):
            is_there[phrases[k]] = True
        for k in range(offsets[row], offsets[row + 1]):
            for a in range(starts[phrases[k]], starts[phrases[k] + 1]):
                query = anchored[a]
                if looked_at[query] == row:
                    continue
                looked_at[query] = row
                if not _holds(codes, ends[query], ends[query + 1], is_there, stack):
                    continue
                if n_found == found.size:
                    larger = np.empty(2 * found.size, np.int32)
                    larger[:n_found] = found
                    found = larger
                found[n_found] = query
                n_found += 1
        for k in range(offsets[row], offsets[row + 1]):
            is_there[phrases[k]] = False
        found[begin:n_found].sort()
        list_offsets[row + 1] = n_found
    return list_offsets, found[:n_found].copy()


@inlined
def _holds(codes, start, end, is_there, stack):
    depth = 0
    for at in range(start, end):
        code = codes[at]
        if code >= 0:
            stack[depth] = is_there[code]
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
