"""Match captions with a concept bank, and count the matches."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql.types import StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import keys
from spark_jobs.core.id_counts import count_entry_ids, count_ids
from spark_jobs.core.observed_counts import ObservedCounts
from spark_jobs.core.schemas import ENTRY_IDS, MATCH_SPANS, MATCHES, SPANS
from udfs.arrow import Batches, BatchFunction, chained
from udfs.balancing import EntryCounter, count_in_task
from udfs.compiled import one_compiles
from udfs.id_counts import IdPacker, Kind, packed
from udfs.text.matchers import ConceptMatcher
from udfs.text.spans import span_lists

ENTRIES, KEYS, ROWS = range(3)  # kinds of ids that `count_with_keys` counts
_KEY = "_key"


def match_concepts(
    captions: DataFrame,
    matcher: ConceptMatcher,
    *,
    carry: bool = False,
    spans: bool = False,
    observed: ObservedCounts | None = None,
) -> DataFrame:
    """Find the entries of a bank in each caption (MetaCLIP, Xu et al. 2023, section 3.1).

    `captions`: uid, maybe caption_id, and the columns that the matcher reads. Gives
    schemas.MATCHES with caption_id if there is one: ids ascending and unique, an empty list where
    nothing matches. `carry`: with all other columns. `spans`: with schemas.MATCH_SPANS, every
    occurrence of every entry by start, end, id. `observed`: counts the matches during the first
    action on the frame.
    """
    needed = dict.fromkeys([*keys(captions), *matcher.columns])
    rows = captions.drop(ENTRY_IDS, SPANS) if carry else captions.select(*needed)
    kept = rows if carry else rows.select(*keys(captions))
    added = [MATCHES[ENTRY_IDS], *(MATCH_SPANS if spans else [])]
    columns = StructType([*kept.schema, *added])
    match = add_entry_ids(matcher, kept.columns, spans=spans)
    if observed is not None:
        return observed.map_and_count(rows, match, columns)
    return map_in_arrow(rows, match, columns)


def count_concepts(captions: DataFrame, matcher: ConceptMatcher) -> DataFrame:
    """Captions that match each entry: schemas.COUNTED_IDS; the matches are not stored."""
    return count_entry_ids(captions.select(*matcher.columns), count_matched_entries(matcher))


def count_with_keys(captions: DataFrame, matcher: ConceptMatcher, key: Column) -> DataFrame:
    """Count all that balancing needs beforehand in one pass: kind, id, count.

    Kind ENTRIES: captions that match each entry id. KEYS: some 64-bit values of `key` that occur in
    several rows, if any do. ROWS: all rows (id 0) and rows that match an entry (id 1).
    """
    rows = captions.select(key.alias(_KEY), *matcher.columns)
    kinds = {ENTRIES: Kind(), KEYS: Kind(at_least=2, most=1), ROWS: Kind(at_least=0)}
    return count_ids(rows, count_entries_and_keys(matcher), [kinds[k] for k in sorted(kinds)])


def count_entries_and_keys(matcher: ConceptMatcher) -> BatchFunction:
    """For mapInArrow: _key and the matcher's columns -> packed counts of three kinds of ids."""
    match = add_entry_ids(matcher, kept=(_KEY,))

    def count(batches: Batches) -> Iterator[pa.RecordBatch]:
        entry_counter, key_packer = EntryCounter(), IdPacker(KEYS)
        row_counts = np.zeros(2, np.int64)  # all rows, rows with an entry
        for batch in match(batches):
            entry_ids = batch.column(ENTRY_IDS)
            entry_counter.add(entry_ids)
            n_matched = np.count_nonzero(np.diff(np.asarray(entry_ids.offsets)))
            row_counts += [len(entry_ids), n_matched]
            yield from key_packer.add(batch.column(_KEY))
        yield from key_packer.rest()
        yield packed(*entry_counter.counts(), kind=ENTRIES)
        yield packed(np.arange(2), row_counts, kind=ROWS)

    return count


def count_matched_entries(matcher: ConceptMatcher) -> BatchFunction:
    """For mapInArrow: the matcher's columns -> packed counts of the entries that match."""
    return chained(add_entry_ids(matcher, kept=()), count_in_task)


def add_entry_ids(
    matcher: ConceptMatcher, kept: Sequence[str], *, spans: bool = False
) -> BatchFunction:
    """For mapInArrow: the matcher's columns -> the columns `kept` and entry_ids, maybe spans."""
    names = [*kept, ENTRY_IDS, *(MATCH_SPANS.names if spans else [])]

    def match(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles(type(matcher).__name__):
            matcher.match([pa.array([], pa.string()) for _ in matcher.columns])
        for batch in batches:
            matcher_input = [batch.column(name) for name in matcher.columns]
            columns = [*(batch.column(name) for name in kept), matcher.match(matcher_input)]
            if spans:
                columns.append(span_lists(matcher.spans(matcher_input), batch.num_rows))
            yield pa.RecordBatch.from_arrays(columns, names)

    return match
