"""Match captions with a concept bank, and count the matches."""

from collections.abc import Callable, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql.types import StructType

from spark_jobs.core.arrow_mapping import MappedRows
from spark_jobs.core.columns import keys_among, named
from spark_jobs.core.id_counts import count_entry_ids, count_ids
from spark_jobs.core.schemas import ENTRY_IDS, MATCH_SPANS, MATCHES, SPANS
from udfs.arrow import checked
from udfs.balancing import KINDS
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
    return matched_rows(captions, matcher, carry=carry, spans=spans).frame()


def matched_rows(
    captions: DataFrame,
    matcher: ConceptMatcher,
    *,
    carry: bool = False,
    spans: bool = False,
) -> MappedRows:
    """`match_concepts`, to which the worker that matches may add steps."""
    rows = captions.select(*map(named, _read_columns(captions.columns, matcher, carry)))
    names, columns = _matched_columns(rows.schema, carry, spans)
    return MappedRows(rows, add_entry_ids(matcher, names, spans=SPANS if spans else None), columns)


def match_groups(
    read_groups: Callable[[Sequence[str]], MappedRows | None],
    columns: Sequence[str],
    matcher: ConceptMatcher,
    *,
    carry: bool = False,
    spans: bool = False,
) -> MappedRows | None:
    """`matched_rows` of a table that the workers read themselves; None if they cannot.

    `read_groups`: gives the rows with some of the table's `columns`.
    """
    groups = read_groups(_read_columns(columns, matcher, carry))
    if groups is None:
        return None
    names, matched_columns = _matched_columns(groups.columns, carry, spans)
    match = add_entry_ids(matcher, names, spans=SPANS if spans else None)
    return groups.then(checked(match), matched_columns)


def _read_columns(columns: Sequence[str], matcher: ConceptMatcher, carry: bool) -> list[str]:
    if carry:
        return [name for name in columns if name.lower() not in (ENTRY_IDS, SPANS)]
    return [*dict.fromkeys([*keys_among(columns), *matcher.columns])]


def _matched_columns(read: StructType, carry: bool, spans: bool) -> tuple[list[str], StructType]:
    """(the columns of the rows that stay, these and what is added)."""
    names = read.names if carry else keys_among(read.names)
    added = [MATCHES[ENTRY_IDS], *(MATCH_SPANS if spans else [])]
    return names, StructType([*(read[name] for name in names), *added])


def count_concepts(captions: DataFrame, matcher: ConceptMatcher) -> DataFrame:
    """Captions that match each entry: schemas.COUNTED_IDS; the matches are not stored."""
    return count_entry_ids(captions.select(*matcher.columns), count_matched_entries(matcher))


def count_with_keys(captions: DataFrame, matcher: ConceptMatcher, key: Column) -> DataFrame:
    """Count all that balancing needs beforehand in one pass: kind, id, count.

    Kind ENTRIES: captions that match each entry id. KEYS: some 64-bit values of `key` that occur in
    several rows, if any do. ROWS: all rows (id 0) and rows that match an entry (id 1).
    """
    rows = captions.select(key.alias(_KEY), *matcher.columns)
    count_in_task = count_entries_and_keys(matcher, key=_KEY)
    return count_ids(rows, count_in_task, KINDS)
