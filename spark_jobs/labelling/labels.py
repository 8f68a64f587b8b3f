"""Labelled captions: the synsets whose lemmas were found, a row per synset or per caption."""

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
Rows: TypeAlias = NDArray[np.int64]


def label_captions(
    captions: DataFrame,
    matcher: LemmaMatcher,
    table: LemmaTable,
    *,
    several: Several,
    spans: bool = False,
) -> DataFrame:
    """The captions that hold a lemma, with schemas.LABELS in place of columns called like these.

    `several`: captions of several synsets have a row for each ("rows"), none ("drop"), or one
    ("keep") whose wnid and class_idx are null. Lemmas are in the order of the table. Order: that of
    the captions, then of the synsets. `spans`: with schemas.LEMMA_SPANS.
    """
    added = [*LABELS, *(LEMMA_SPANS if spans else [])]
    kept = captions.drop(*LABELS.names, *LEMMA_SPANS.names)
    columns = StructType([*kept.schema, *added])
    return map_in_arrow(kept, labelling(matcher, table, several, spans=spans), columns)


def count_labels(labelled: DataFrame, table: LemmaTable) -> DataFrame:
    """schemas.LABEL_COUNTS: captions of each synset of the table and of each of its lemmas.

    `labelled`: of label_captions with `several="rows"`.
    """
    spark = labelled.sparkSession
    known = [(s.wnid, s.class_idx, None) for s in table.synsets]
    owners = [table.synsets[owner] for owner in table.owner]
    known += [
        (s.wnid, s.class_idx, lemma)  # type: ignore[misc]
        for s, lemma in zip(owners, table.lemmas, strict=True)
    ]
    keys = StructType(LABEL_COUNTS.fields[:3])
    by_synset = labelled.groupBy(WNID).agg(F.count("*").alias(CAPTION_COUNT))
    by_lemma = labelled.select(WNID, F.explode(LEMMAS).alias(LEMMA)).groupBy(WNID, LEMMA)
    counted = by_synset.withColumn(LEMMA, F.lit(None).cast("string")).unionByName(
        by_lemma.agg(F.count("*").alias(CAPTION_COUNT))
    )
    left, right = spark.createDataFrame(known, keys).alias("k"), counted.alias("c")
    same = (F.col(f"k.{WNID}") == F.col(f"c.{WNID}")) & F.col(f"k.{LEMMA}").eqNullSafe(
        F.col(f"c.{LEMMA}")
    )
    count = F.coalesce(F.col(f"c.{CAPTION_COUNT}"), F.lit(0)).alias(CAPTION_COUNT)
    return left.join(F.broadcast(right), on=same, how="left").select("k.*", count)


def labelling(
    matcher: LemmaMatcher, table: LemmaTable, several: Several, *, spans: bool = False
) -> BatchFunction:
    """The function of mapInArrow behind `label_captions`."""
    owner = np.array(table.owner, np.int64)
    lemmas = pa.array(table.lemmas, pa.string())
    wnids = pa.array([s.wnid for s in table.synsets], pa.string())
    class_idx = pa.array([s.class_idx for s in table.synsets], pa.int32())
    names = [*LABELS.names, *(LEMMA_SPANS.names if spans else [])]

    def group(rows: Rows, ids: NDArray[np.int32]) -> Rows:
        """What a labelled row stands for: a caption, or a caption's synset."""
        return rows if several == "keep" else rows * len(wnids) + owner[ids]

    def label(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles("match_lemmas"):
            matcher.match(pa.array([], pa.string()))
        for batch in batches:
            found = matcher.match(batch.column(CAPTION))
            ids = found.values.to_numpy()
            rows = rows_of(found)
            is_alone = np.bincount(rows[_starts(rows * len(wnids) + owner[ids])])[rows] == 1
            groups = group(rows, ids)
            starts = _starts(groups)
            ends = np.append(starts[1:], rows.size)
            if several == "drop":
                starts, ends = starts[is_alone[starts]], ends[is_alone[starts]]
            unclear = ~is_alone[starts] if several == "keep" else None
            synsets = pa.array(owner[ids[starts]], mask=unclear)
            columns = [column.take(pa.array(rows[starts])) for column in batch]
            columns += [wnids.take(synsets), class_idx.take(synsets)]
            columns += [_lists(starts, ends, lemmas.take(pa.array(ids)))]
            if spans:
                where = matcher.spans(batch.column(CAPTION))
                of_span = group(where[:, ROW].astype(np.int64), where[:, ENTRY_ID])
                columns += [_lemma_spans(where, of_span, groups[starts], lemmas)]
            yield pa.RecordBatch.from_arrays(columns, [*batch.schema.names, *names])

    return label


def _lemma_spans(spans: Spans, of_span: Rows, groups: Rows, lemmas: pa.StringArray) -> pa.ListArray:
    """LEMMA_SPANS of the rows that stand for `groups`, ascending; `of_span`: that of each span."""
    is_kept = np.isin(of_span, groups)
    kept = spans[is_kept]
    kept[:, ROW] = np.searchsorted(groups, of_span[is_kept])
    lists = span_lists(kept, groups.size)
    entry_ids, start, end = lists.values.flatten()
    named = pa.StructArray.from_arrays(
        [lemmas.take(entry_ids), start, end], [LEMMA, "start", "end"]
    )
    return pa.ListArray.from_arrays(lists.offsets, named)


def _starts(groups: Rows) -> Rows:
    """Where a new group begins."""
    return np.flatnonzero(np.append(True, np.diff(groups) != 0)[: groups.size])


def _lists(starts: Rows, ends: Rows, values: pa.StringArray) -> pa.ListArray:
    """The lists values[start:end]."""
    lengths = ends - starts
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
    inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths) + np.repeat(starts, lengths)
    return pa.ListArray.from_arrays(pa.array(offsets), values.take(pa.array(inside)))
