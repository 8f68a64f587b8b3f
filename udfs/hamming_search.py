"""Find the nearest hashes of several sets, by Hamming distance, among those that share a band."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import Batches, BatchFunction
from udfs.compiled import compiled
from udfs.hamming import all_masks, popcount

_CELLS = 1 << 22  # queries times sets that are dealt with at once


def nearest_in_bands(distance: int) -> BatchFunction:
    """For each query and band, the nearest item of each set within the distance.

    batches: columns band (its number), node (the hash), benchmark (an item's set; null for queries)
    and item (its name); all rows whose bits of a band are equal are in the task, so that each pair
    within the distance meets in some task. Yields node, benchmark, item and value, the bits that
    differ; of equally near items the first by name.
    """

    def search(batches: Batches) -> Iterator[pa.RecordBatch]:
        parts = [batch for batch in batches if batch.num_rows]
        if not parts:
            return
        rows = pa.Table.from_batches(parts)
        is_item = pc.is_valid(rows["benchmark"])
        items = rows.filter(is_item).sort_by([("benchmark", "ascending"), ("item", "ascending")])
        queries = rows.filter(pc.invert(is_item)).select(["band", "node"])
        for band, mask in enumerate(all_masks(distance)):
            looked_for, near = (
                side.filter(pc.equal(side["band"], band)) for side in (queries, items)
            )
            if looked_for.num_rows and near.num_rows:
                yield from _nearest(looked_for, near, np.uint64(mask), distance)

    return search


def _nearest(
    queries: pa.Table, items: pa.Table, mask: np.uint64, distance: int
) -> Iterator[pa.RecordBatch]:
    """The nearest items of queries that agree with them in the bits of the mask."""
    names = items["benchmark"].combine_chunks().dictionary_encode()
    hashes = items["node"].to_numpy().view(np.uint64)
    order = np.argsort(hashes & mask, kind="stable")  # so that items stay sorted by name
    hashes, sets = hashes[order], names.indices.to_numpy()[order]
    values, n_sets = hashes & mask, len(names.dictionary)
    wanted = queries["node"].to_numpy().view(np.uint64)
    size = max(1, _CELLS // n_sets)
    for start in range(0, len(wanted), size):
        chunk = wanted[start : start + size]
        starts, stops = (np.searchsorted(values, chunk & mask, side) for side in ("left", "right"))
        bits = np.full((len(chunk), n_sets), distance + 1, np.int64)
        places = np.zeros(bits.shape, np.int64)
        _compare(chunk, starts, stops, hashes, sets, bits, places)
        row, group = np.nonzero(bits <= distance)
        found = {
            "node": pa.array(chunk[row].view(np.int64)),
            "benchmark": names.dictionary.take(pa.array(group)),
            "item": items["item"].take(pa.array(order[places[row, group]])).combine_chunks(),
            "value": pa.array(bits[row, group].astype(np.float64)),
        }
        yield pa.RecordBatch.from_arrays([*found.values()], [*found])


@compiled
def _compare(queries, starts, stops, hashes, sets, bits, places):
    """Lower bits and set places where an item is nearer: query q has items starts[q]:stops[q]."""
    for query in range(queries.size):
        for place in range(starts[query], stops[query]):
            differing = popcount(queries[query] ^ hashes[place])
            group = sets[place]
            if differing < bits[query, group]:
                bits[query, group] = differing
                places[query, group] = place
