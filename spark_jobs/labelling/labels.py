"""Label captions with the synsets whose lemmas occur in them, a row per synset or per caption."""

import numpy as np
import pyarrow as pa
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
    SPANS,
    WNID,
)
from spark_jobs.labelling.lemma_table import LemmaTable
from udfs.text.labelling import Several, SynsetArrays, add_labels
from udfs.text.lemma_match import LemmaMatcher

PAPERS = (
    "LAIONet, labels: captions by the synset whose lemma they hold",
    "YFCC15M-Cls, labels: captions by the classes whose lemmas they hold between word boundaries",
)


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
    label = add_labels(
        matcher,
        synset_arrays(table),
        several,
        caption=CAPTION,
        names=LABELS.names,
        spans=SPANS if spans else None,
    )
    return map_in_arrow(unlabelled, label, columns)


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


def synset_arrays(table: LemmaTable) -> SynsetArrays:
    """The table as Arrow and numpy arrays."""
    return SynsetArrays(
        lemmas=pa.array(table.lemmas, pa.string()),
        owner=np.array(table.owner, np.int64),
        wnids=pa.array([s.wnid for s in table.synsets], pa.string()),
        class_idx=pa.array([s.class_idx for s in table.synsets], pa.int32()),
    )
