"""Connected components of edges: union-find, and the edges of a task reduced to a forest."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches
from udfs.compiled import compiled, inlined

Parents = NDArray[np.int64]
_OUTPUT_ROWS = 100_000


def spanning_forest(batches: Batches) -> Iterator[pa.RecordBatch]:
    """Replace the edges of a task, two columns of nodes, by (node, root) with the same components.

    At most one edge a node; a root has none. Nodes are of any type; they are held in memory, once.
    """
    edges = [(batch.column(0), batch.column(1)) for batch in batches if batch.num_rows]
    if not edges:
        return
    joined = pa.chunked_array([edge[side] for side in (0, 1) for edge in edges])
    if pa.types.is_string(joined.type):
        joined = joined.cast(pa.large_string())  # all ends may have more than 2 GiB
    encoded = joined.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.to_numpy().astype(np.int64)
    parents = no_edges(len(encoded.dictionary))
    link_all(codes[: len(codes) // 2], codes[len(codes) // 2 :], parents)
    yield from forest_batches(encoded.dictionary, parents)


def forest_batches(nodes: pa.Array, parents: Parents) -> Iterator[pa.RecordBatch]:
    """The forest as batches of (node, root), without the roots; `nodes` by their index."""
    roots = roots_of(parents)
    [linked] = np.nonzero(roots != np.arange(len(roots)))
    for start in range(0, len(linked), _OUTPUT_ROWS):
        part = linked[start : start + _OUTPUT_ROWS]
        columns = [nodes.take(pa.array(part)), nodes.take(pa.array(roots[part]))]
        if pa.types.is_large_string(nodes.type):
            columns = [column.cast(pa.string()) for column in columns]
        yield pa.RecordBatch.from_arrays(columns, ["node", "root"])


def no_edges(n_nodes: int) -> Parents:
    """The parents of nodes 0 to n - 1, each a root of its own."""
    return np.arange(n_nodes, dtype=np.int64)


@compiled
def link_all(first, second, parents):
    """Unite the trees of first[k] and second[k], for all k."""
    for k in range(first.size):
        link(parents, first[k], second[k])


@compiled
def roots_of(parents: Any) -> Any:
    """The root of each node, the smallest of its component."""
    roots = np.empty_like(parents)
    for node in range(parents.size):
        roots[node] = find(parents, node)
    return roots


@inlined
def find(parents, node):
    """The root of a node; halves the path to it."""
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@inlined
def link(parents, first, second):
    """Unite two nodes' trees, under the smaller root."""
    root, other = find(parents, first), find(parents, second)
    if root < other:
        parents[other] = root
    elif other < root:
        parents[root] = other
