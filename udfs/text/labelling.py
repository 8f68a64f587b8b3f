"""Label a task's captions with the synsets whose lemmas occur in them."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.arrow import Batches, BatchFunction
from udfs.compiled import one_compiles
from udfs.text.lemma_match import LemmaMatcher
from udfs.text.lists import rows_of
from udfs.text.spans import ENTRY_ID, ROW, Spans, span_lists

Several = Literal["rows", "drop", "keep"]
Positions: TypeAlias = NDArray[np.int64]


class SynsetArrays(NamedTuple):
    """Synsets and the lemmas to search for, whose ids are their positions.

    `owner`: (n_lemmas,), position of each lemma's synset, ascending.
    """

    lemmas: pa.StringArray
    owner: Positions
    wnids: pa.StringArray
    class_idx: pa.Int32Array


def add_labels(
    matcher: LemmaMatcher,
    synsets: SynsetArrays,
    several: Several,
    *,
    caption: str,
    names: Sequence[str],
    spans: str | None = None,
) -> BatchFunction:
    """For mapInArrow: rows with a `caption` -> those in which a lemma occurs, with their labels.

    `several`: captions of several synsets get a row for each ("rows"), none ("drop"), or one
    ("keep") whose wnid and class index are null. `names`: of the added columns wnid, class index
    and lemmas. `spans`: column for the spans of the lemmas, if wanted. Order: that of the rows,
    then of the synsets.
    """
    lemmas, owner, wnids, class_idx = synsets
    added_names = [*names, *([] if spans is None else [spans])]

    def output_group(rows: Positions, lemma_ids: NDArray[np.int32]) -> Positions:
        """Number of the output row of each match: by caption ("keep"), or caption and synset."""
        return rows if several == "keep" else rows * len(wnids) + owner[lemma_ids]

    def label(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles("match_lemmas"):
            matcher.match(pa.array([], pa.string()))
        for batch in batches:
            matches = matcher.match(batch.column(caption))
            lemma_ids = matches.values.to_numpy()
            rows = rows_of(matches)
            synset_starts = _group_starts(rows * len(wnids) + owner[lemma_ids])
            has_one_synset = np.bincount(rows[synset_starts])[rows] == 1  # of each match's caption
            groups = output_group(rows, lemma_ids)
            starts = _group_starts(groups)
            ends = np.append(starts[1:], rows.size)
            if several == "drop":
                is_kept = has_one_synset[starts]
                starts, ends = starts[is_kept], ends[is_kept]
            is_ambiguous = ~has_one_synset[starts] if several == "keep" else None
            row_synsets = pa.array(owner[lemma_ids[starts]], mask=is_ambiguous)
            columns = [column.take(pa.array(rows[starts])) for column in batch]
            columns += [wnids.take(row_synsets), class_idx.take(row_synsets)]
            columns += [_slices_as_lists(starts, ends, lemmas.take(pa.array(lemma_ids)))]
            if spans is not None:
                span_table = matcher.spans(batch.column(caption))
                span_rows = span_table[:, ROW].astype(np.int64)
                span_groups = output_group(span_rows, span_table[:, ENTRY_ID])
                columns += [_lemma_spans(span_table, span_groups, groups[starts], lemmas)]
            yield pa.RecordBatch.from_arrays(columns, [*batch.schema.names, *added_names])

    return label


def _lemma_spans(
    spans: Spans, span_groups: Positions, kept_groups: Positions, lemmas: pa.StringArray
) -> pa.ListArray:
    """The spans of each output row, list<struct<lemma, start, end>>.

    `span_groups`: output group of each span. `kept_groups`: groups of the output rows, ascending.
    """
    is_kept = np.isin(span_groups, kept_groups)
    kept_spans = spans[is_kept]
    kept_spans[:, ROW] = np.searchsorted(kept_groups, span_groups[is_kept])
    lists = span_lists(kept_spans, kept_groups.size)
    lemma_ids, start, end = lists.values.flatten()
    structs = pa.StructArray.from_arrays(
        [lemmas.take(lemma_ids), start, end], ["lemma", "start", "end"]
    )
    return pa.ListArray.from_arrays(lists.offsets, structs)


def _group_starts(groups: Positions) -> Positions:
    """Positions at which a new group begins."""
    return np.flatnonzero(np.append(True, np.diff(groups) != 0)[: groups.size])


def _slices_as_lists(starts: Positions, ends: Positions, values: pa.StringArray) -> pa.ListArray:
    """The lists values[start:end]."""
    lengths = ends - starts
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
    position_in_list = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    positions = position_in_list + np.repeat(starts, lengths)
    return pa.ListArray.from_arrays(pa.array(offsets), values.take(pa.array(positions)))
