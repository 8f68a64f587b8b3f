"""Matches of a concept bank, a row per caption."""

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

ENTRIES, KEYS, ROWS = range(3)  # kinds of what `count_with_keys` counts
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

    `captions`: uid, caption and what the matcher reads, a row per uid, or per uid and caption_id.
    Gives schemas.MATCHES, with caption_id where there is one, and with `carry` all other columns:
    ids ascending and unique, an empty list where nothing matches. `spans`: with
    schemas.MATCH_SPANS, every occurrence of every entry by start, end, id. `observed` counts what
    the frame's first action finds.
    """
    named = dict.fromkeys([*keys(captions), *matcher.columns])
    read = captions.drop(ENTRY_IDS, SPANS) if carry else captions.select(*named)
    kept = read if carry else read.select(*keys(captions))
    added = [MATCHES[ENTRY_IDS], *(MATCH_SPANS if spans else [])]
    columns = StructType([*kept.schema, *added])
    match = matching(matcher, kept.columns, spans=spans)
    if observed is not None:
        return observed.map_and_count(read, match, columns)
    return map_in_arrow(read, match, columns)


def count_concepts(captions: DataFrame, matcher: ConceptMatcher) -> DataFrame:
    """Captions that hold each entry id, as counted in their matches, which are not stored."""
    return count_entry_ids(captions.select(*matcher.columns), counting(matcher))


def count_with_keys(captions: DataFrame, matcher: ConceptMatcher, key: Column) -> DataFrame:
    """All that balancing must know beforehand, in one pass: kind, id, count.

    Of the kind ENTRIES the captions that hold each entry id; of KEYS some 64-bit values of `key`
    that several rows have, if there are any; of ROWS the number of rows (id 0) and of those with an
    entry (id 1).
    """
    read = captions.select(key.alias(_KEY), *matcher.columns)
    kinds = {ENTRIES: Kind(), KEYS: Kind(at_least=2, most=1), ROWS: Kind(at_least=0)}
    return count_ids(read, counting_with_keys(matcher), [kinds[k] for k in sorted(kinds)])


def counting_with_keys(matcher: ConceptMatcher) -> BatchFunction:
    """The function of mapInArrow behind `count_with_keys`."""
    match = matching(matcher, kept=(_KEY,))

    def count(batches: Batches) -> Iterator[pa.RecordBatch]:
        entries, keys_, rows = EntryCounter(), IdPacker(KEYS), np.zeros(2, np.int64)
        for batch in match(batches):
            ids = batch.column(ENTRY_IDS)
            entries.add(ids)
            rows += [len(ids), np.count_nonzero(np.diff(np.asarray(ids.offsets)))]
            yield from keys_.add(batch.column(_KEY))
        yield from keys_.rest()
        yield packed(*entries.counts(), kind=ENTRIES)
        yield packed(np.arange(2), rows, kind=ROWS)

    return count


def counting(matcher: ConceptMatcher) -> BatchFunction:
    """The function of mapInArrow behind `count_concepts`."""
    return chained(matching(matcher, kept=()), count_in_task)


def matching(matcher: ConceptMatcher, kept: Sequence[str], *, spans: bool = False) -> BatchFunction:
    """The function of mapInArrow: entry_ids of each caption beside the columns that are kept."""
    names = [*kept, ENTRY_IDS, *(MATCH_SPANS.names if spans else [])]

    def match(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles(type(matcher).__name__):
            matcher.match([pa.array([], pa.string()) for _ in matcher.columns])
        for batch in batches:
            read = [batch.column(name) for name in matcher.columns]
            columns = [*(batch.column(name) for name in kept), matcher.match(read)]
            if spans:
                columns.append(span_lists(matcher.spans(read), batch.num_rows))
            yield pa.RecordBatch.from_arrays(columns, names)

    return match
