"""Count a task's matches by entry and by side, of the two sides of a comparison."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from udfs.arrow import Batches
from udfs.balancing import ENTRY_IDS, EntryCounter


def count_entries_by_side(
    batches: Batches, *, sides: Sequence[str], names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: side, entry_ids -> a task's counts by side and entry id.

    `names`: of the columns side, entry id and count; the first is that of the input too.
    """
    counters = {side: EntryCounter() for side in sides}
    for batch in batches:
        for side, counter in counters.items():
            counter.add(batch.column(ENTRY_IDS).filter(pc.equal(batch.column(names[0]), side)))
    for side, counter in counters.items():
        ids, counts = counter.counts()
        columns = [
            pa.array([side] * len(ids), pa.string()),
            pa.array(ids, pa.int32()),
            pa.array(counts),
        ]
        yield pa.RecordBatch.from_arrays(columns, names)
