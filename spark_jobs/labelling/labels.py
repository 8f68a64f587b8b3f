"""Label captions with the synsets whose lemmas occur in them, a row per synset or per caption."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import (
    CAPTION,
    CAPTION_COUNT,
    LABEL_COUNTS,
    LABELS,
    LEMMA,
    LEMMA_SPANS,
    LEMMAS,
    WNID,
)
from spark_jobs.labelling.lemma_table import LemmaTable
from udfs.arrow import Batches, BatchFunction
from udfs.compiled import one_compiles
from udfs.text.lemma_match import LemmaMatcher
from udfs.text.lists import rows_of
from udfs.text.spans import ENTRY_ID, ROW, Spans, span_lists

Several = Literal["rows", "drop", "keep"]
Positions: TypeAlias = NDArray[np.int64]


def label_captions(
    captions: DataFrame,
    matcher: LemmaMatcher,
    table: LemmaTable,
    *,
    several: Several,
    spans: bool = False,
) -> DataFrame:
    """The captions in which a lemma occurs, with schemas.LABELS (which replaces such columns).

    `several`: captions of several synsets get a row for each ("rows"), none ("drop"), or one
    ("keep") whose wnid and class_idx are null. Lemmas are in the order of the table. `spans`: with
    schemas.LEMMA_SPANS. Order: that of the captions, then of the synsets.
    """
    added = [*LABELS, *(LEMMA_SPANS if spans else [])]
    unlabelled = captions.drop(*LABELS.names, *LEMMA_SPANS.names)
    columns = StructType([*unlabelled.schema, *added])
    return map_in_arrow(unlabelled, add_labels(matcher, table, several, spans=spans), columns)


def count_labels(labelled: DataFrame, table: LemmaTable) -> DataFrame:
    """Captions of each synset of the table and of each of its lemmas: schemas.LABEL_COUNTS.

    `labelled`: of label_captions with `several="rows"`. 0 for what occurs in no caption.
    """
    synset_keys = [(s.wnid, s.class_idx, None) for s in table.synsets]
    lemma_synsets = [table.synsets[position] for position in table.owner]
    lemma_keys = [
        (s.wnid, s.class_idx, lemma) for s, lemma in zip(lemma_synsets, table.lemmas, strict=True)
    ]
    keys = labelled.sparkSession.createDataFrame(
        [*synset_keys, *lemma_keys], StructType(LABEL_COUNTS.fields[:3])
    ).alias("k")
    by_synset = labelled.groupBy(WNID).agg(F.count("*").alias(CAPTION_COUNT))
    by_lemma = labelled.select(WNID, F.explode(LEMMAS).alias(LEMMA)).groupBy(WNID, LEMMA)
    counts = (
        by_synset.withColumn(LEMMA, F.lit(None).cast("string"))
        .unionByName(by_lemma.agg(F.count("*").alias(CAPTION_COUNT)))
        .alias("c")
    )
    is_same_key = (F.col(f"k.{WNID}") == F.col(f"c.{WNID}")) & F.col(f"k.{LEMMA}").eqNullSafe(
        F.col(f"c.{LEMMA}")
    )
    count = F.coalesce(F.col(f"c.{CAPTION_COUNT}"), F.lit(0)).alias(CAPTION_COUNT)
    return keys.join(F.broadcast(counts), on=is_same_key, how="left").select("k.*", count)


def add_labels(
    matcher: LemmaMatcher, table: LemmaTable, several: Several, *, spans: bool = False
) -> BatchFunction:
    """For mapInArrow: rows with a caption -> labelled rows, as `label_captions` gives them."""
    owner = np.array(table.owner, np.int64)
    lemmas = pa.array(table.lemmas, pa.string())
    wnids = pa.array([s.wnid for s in table.synsets], pa.string())
    class_idx = pa.array([s.class_idx for s in table.synsets], pa.int32())
    names = [*LABELS.names, *(LEMMA_SPANS.names if spans else [])]

    def output_group(rows: Positions, lemma_ids: NDArray[np.int32]) -> Positions:
        """Number of the output row of each match: by caption ("keep"), or caption and synset."""
        return rows if several == "keep" else rows * len(wnids) + owner[lemma_ids]

    def label(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles("match_lemmas"):
            matcher.match(pa.array([], pa.string()))
        for batch in batches:
            matches = matcher.match(batch.column(CAPTION))
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
            synsets = pa.array(owner[lemma_ids[starts]], mask=is_ambiguous)
            columns = [column.take(pa.array(rows[starts])) for column in batch]
            columns += [wnids.take(synsets), class_idx.take(synsets)]
            columns += [_slices_as_lists(starts, ends, lemmas.take(pa.array(lemma_ids)))]
            if spans:
                span_table = matcher.spans(batch.column(CAPTION))
                span_rows = span_table[:, ROW].astype(np.int64)
                span_groups = output_group(span_rows, span_table[:, ENTRY_ID])
                columns += [_lemma_spans(span_table, span_groups, groups[starts], lemmas)]
            yield pa.RecordBatch.from_arrays(columns, [*batch.schema.names, *names])

    return label


def _lemma_spans(
    spans: Spans, span_groups: Positions, kept_groups: Positions, lemmas: pa.StringArray
) -> pa.ListArray:
    """The spans of each output row, as schemas.LEMMA_SPANS.

    `span_groups`: output group of each span. `kept_groups`: groups of the output rows, ascending.
    """
    is_kept = np.isin(span_groups, kept_groups)
    kept_spans = spans[is_kept]
    kept_spans[:, ROW] = np.searchsorted(kept_groups, span_groups[is_kept])
    lists = span_lists(kept_spans, kept_groups.size)
    lemma_ids, start, end = lists.values.flatten()
    structs = pa.StructArray.from_arrays(
        [lemmas.take(lemma_ids), start, end], [LEMMA, "start", "end"]
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
