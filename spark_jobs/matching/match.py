"""Match captions with a concept bank, and count the matches."""

from pyspark.sql import Column, DataFrame
from pyspark.sql.types import StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import keys
from spark_jobs.core.id_counts import count_entry_ids, count_ids
from spark_jobs.core.schemas import ENTRY_IDS, MATCH_SPANS, MATCHES, SPANS
from udfs.balancing import ENTRIES, KEYS, ROWS
from udfs.id_counts import Kind
from udfs.text.concept_matches import (
    add_entry_ids,
    count_entries_and_keys,
    count_matched_entries,
)
from udfs.text.matchers import ConceptMatcher

PAPERS = (
    "MetaCLIP, section 3.1: the entries of the bank that a caption holds",
    "SynthCLIP, published code: generated captions matched in the same way",
)

_KEY = "_key"


def match_concepts(
    captions: DataFrame,
    matcher: ConceptMatcher,
    *,
    carry: bool = False,
    spans: bool = False,
) -> DataFrame:
    """Find the entries of a bank in each caption (MetaCLIP, Xu et al. 2023, section 3.1).

    `captions`: uid, maybe caption_id, and the columns that the matcher reads. Gives
    schemas.MATCHES with caption_id if there is one: ids ascending and unique, an empty list where
    nothing matches. `carry`: with all other columns. `spans`: with schemas.MATCH_SPANS, every
    occurrence of every entry by start, end, id.
    """
    identifying = keys(captions)
    needed = dict.fromkeys([*identifying, *matcher.columns])
    rows = captions.drop(ENTRY_IDS, SPANS) if carry else captions.select(*needed)
    kept = rows.schema if carry else rows.select(*identifying).schema
    added = [MATCHES[ENTRY_IDS], *(MATCH_SPANS if spans else [])]
    columns = StructType([*kept, *added])
    match = add_entry_ids(matcher, kept.names, spans=SPANS if spans else None)
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
    count_in_task = count_entries_and_keys(matcher, key=_KEY)
    return count_ids(rows, count_in_task, [kinds[k] for k in sorted(kinds)])
