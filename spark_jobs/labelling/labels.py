"""Labelled captions: the synsets whose lemmas were found, a row per synset or per caption."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_jobs.labelling.lemma_table import LemmaTable
from spark_jobs.schemas import (
    CAPTION,
    CAPTION_COUNT,
    LABEL_COUNTS,
    LABELS,
    LEMMA,
    LEMMAS,
    WNID,
)
from udfs.arrow import Batches, BatchFunction
from udfs.compiled import one_compiles
from udfs.text.lemma_match import LemmaMatcher
from udfs.text.lists import rows_of

Several = Literal["rows", "drop", "keep"]


def label_captions(
    captions: DataFrame, matcher: LemmaMatcher, table: LemmaTable, *, several: Several
) -> DataFrame:
    """The captions that hold a lemma, with schemas.LABELS.

    `several`: captions of several synsets have a row for each ("rows"), none ("drop"), or one
    ("keep") whose wnid and class_idx are null. Lemmas are in the order of the table. Order: that of
    the captions, then of the synsets.
    """
    kept = captions.drop(*LABELS.names)
    columns = StructType([*kept.schema, *LABELS])
    return kept.mapInArrow(labelling(matcher, table, several), columns)


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


def labelling(matcher: LemmaMatcher, table: LemmaTable, several: Several) -> BatchFunction:
    """The function of mapInArrow behind `label_captions`."""
    owner = np.array(table.owner, np.int64)
    lemmas = pa.array(table.lemmas, pa.string())
    wnids = pa.array([s.wnid for s in table.synsets], pa.string())
    class_idx = pa.array([s.class_idx for s in table.synsets], pa.int32())

    def label(batches: Batches) -> Iterator[pa.RecordBatch]:
        with one_compiles("match_lemmas"):
            matcher.match(pa.array([], pa.string()))
        for batch in batches:
            found = matcher.match(batch.column(CAPTION))
            ids = found.values.to_numpy()
            rows = rows_of(found)
            starts = _starts(rows, owner[ids])
            n_synsets = np.bincount(rows[starts], minlength=len(found))
            if several == "keep":
                starts = _starts(rows, rows)
            ends = np.append(starts[1:], rows.size)
            is_single = n_synsets[rows[starts]] == 1
            if several == "drop":
                starts, ends = starts[is_single], ends[is_single]
            taken = rows[starts]
            unclear = ~is_single if several == "keep" else None
            synsets = pa.array(owner[ids[starts]], mask=unclear)
            yield pa.RecordBatch.from_arrays(
                [
                    *(column.take(pa.array(taken)) for column in batch),
                    wnids.take(synsets),
                    class_idx.take(synsets),
                    _lists(starts, ends, lemmas.take(pa.array(ids))),
                ],
                [*batch.schema.names, *LABELS.names],
            )

    return label


def _starts(rows: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where a new row or group begins."""
    if not rows.size:
        return np.zeros(0, np.int64)
    is_new = (np.diff(rows) != 0) | (np.diff(groups) != 0)
    return np.append(0, np.flatnonzero(is_new) + 1)


def _lists(
    starts: NDArray[np.int64], ends: NDArray[np.int64], values: pa.StringArray
) -> pa.ListArray:
    """The lists values[start:end]."""
    lengths = ends - starts
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
    inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths) + np.repeat(starts, lengths)
    return pa.ListArray.from_arrays(pa.array(offsets), values.take(pa.array(inside)))
