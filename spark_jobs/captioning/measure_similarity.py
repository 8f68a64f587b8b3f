"""BLEU, CIDEr-D and CLIP scores of captions, a row for each, and their means with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import (
    BinaryType,
    DoubleType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.captioning.measure_table import HISTOGRAM
from spark_jobs.captioning.measured_captions import CaptionSet, set_names
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.histogram_bins import BIN_WIDTH
from spark_jobs.core.schemas import (
    AT,
    CAPTION_ID,
    CAPTION_SCORES,
    DRAW,
    FAULT,
    GROUP,
    HIGH,
    LOW,
    MEASURE,
    MEASURES,
    SOURCE,
    UID,
    VALUE,
    N,
)
from udfs.arrow import chained
from udfs.captioning.packed_ngrams import GROUP_SET, SOURCE_SET
from udfs.captioning.scored_captions import SCORES, scored, summed
from udfs.captioning.set_sums import (
    BLOCK,
    MOST_BYTES,
    MOST_REPLICATES,
    SET,
    STATISTICS,
    SUMS,
    bytes_of_sums,
    measured,
    summed_by_set,
)
from udfs.captioning.statistics import columns_in_use

PAPERS = (
    "CLIPScore, CLIP-S: 2.5 times the cosine of caption and image, where that is positive",
    "CLIPScore, RefCLIP-S: harmonic mean of CLIP-S and the largest cosine to a reference",
    "BLEU, sections 2.1 and 2.2: clipped n-gram precisions and brevity penalty",
    "CIDEr, CIDEr-D: n-grams weighted by tf-idf, document frequencies by image",
)
_SUMS = StructType(
    [
        *(StructField(name, IntegerType()) for name in (SET, BLOCK)),
        StructField(SUMS, BinaryType()),
    ]
)
_MEASURED = StructType(
    [
        StructField(SET, IntegerType()),
        StructField(MEASURE, StringType()),
        *(StructField(name, DoubleType()) for name in (AT, VALUE, LOW, HIGH)),
        MEASURES[N],
    ]
)


@dataclass(frozen=True)
class Scoring:
    """What is scored: n_images with references and captions, or 0; which cosines are known."""

    n_images: int
    n_replicates: int
    image_cosines: bool
    text_cosines: bool

    @property
    def used(self) -> list[int]:
        """The statistics that are summed."""
        return columns_in_use(
            references=self.n_images > 0,
            image_cosines=self.image_cosines,
            text_cosines=self.text_cosines,
        )


def refuse_many_replicates(n_sets: int, n_replicates: int) -> None:
    """Raise InputDataError if sets and replicates are too many together."""
    if n_sets * n_replicates > MOST_REPLICATES:
        raise InputDataError(
            f"{n_sets:,} sources and groups with {n_replicates:,} replicates each are more than "
            f"{MOST_REPLICATES:,}; set replicates to {MOST_REPLICATES // n_sets:,} at most"
        )


def score_and_sum(
    texts: DataFrame,
    columns: StructType,
    scoring: Scoring,
    sets: Sequence[CaptionSet],
    *,
    scores: bool,
) -> DataFrame:
    """Sums by set, or statistics to be summed, and with `scores` a row for each caption.

    `texts`: of `text_blobs`, of rows of `columns`. Rows of sums have set, block and sums;
    statistics of captions, where sets are too many to sum in each task, set, draw and statistics;
    captions the others.
    """
    carried = [UID, CAPTION_ID, SOURCE_SET, GROUP_SET, *SCORES] if scores else []
    of_caption = [
        *(CAPTION_SCORES[name] for name in carried if name in CAPTION_SCORES.names),
        *(StructField(name, IntegerType()) for name in (SOURCE_SET, GROUP_SET)),
    ]
    schema = StructType(
        [
            *(of_caption if scores else ()),
            *_SUMS,
            StructField(DRAW, DoubleType()),
            StructField(STATISTICS, BinaryType()),
        ]
    )
    sum_rows = summed(
        scoring.used,
        carried,
        to_arrow_schema(schema),
        n_replicates=scoring.n_replicates,
        n_summed=_n_summed(scoring, sets),
    )
    score = scored(scoring.n_images, to_arrow_schema(columns))
    return map_in_arrow(texts, chained(score, sum_rows), schema)


def sums_are_apart(scoring: Scoring, sets: Sequence[CaptionSet]) -> bool:
    """Whether there are too many sets to sum the statistics of all in each task."""
    return _n_summed(scoring, sets) < len(sets)


def _n_summed(scoring: Scoring, sets: Sequence[CaptionSet]) -> int:
    """The sets, sources first, whose sums each task holds."""
    n_sources = sum(part.group is None for part in sets)
    for n_sets in (len(sets), n_sources):
        n_bytes = bytes_of_sums(n_sets, scoring.n_replicates, len(scoring.used))
        if n_bytes <= MOST_BYTES:
            return n_sets
    return 0


def measure_sets(summed_rows: DataFrame, scoring: Scoring, sets: Sequence[CaptionSet]) -> DataFrame:
    """Measures of each set: set, measure, at, value, low, high, n.

    Bounds are percentiles of Poisson bootstrap replicates, drawn by image.
    """
    names = (("cosine_image", scoring.image_cosines), ("cosine_text", scoring.text_cosines))
    histograms = [f"{name}{HISTOGRAM}" for name, is_known in names if is_known]
    measure = measured(scoring.used, histograms, BIN_WIDTH, to_arrow_schema(_MEASURED))
    sums = summed_rows.where(named(SUMS).isNotNull()).select(SET, BLOCK, SUMS)
    if sums_are_apart(scoring, sets):
        apart = summed_rows.where(named(STATISTICS).isNotNull()).select(SET, DRAW, STATISTICS)
        by_set = apart.repartition(SET).sortWithinPartitions(SET, DRAW, STATISTICS)
        sum_statistics = summed_by_set(scoring.n_replicates, len(scoring.used))
        sums = sums.unionByName(map_in_arrow(by_set, sum_statistics, _SUMS))
    together = sums.repartition(SET).sortWithinPartitions(SET, BLOCK, SUMS)
    return map_in_arrow(together, measure, _MEASURED)


def caption_score_rows(
    summed_rows: DataFrame, sets: Sequence[CaptionSet], *, with_references: bool
) -> DataFrame:
    """schemas.CAPTION_SCORES of the captions, those that are null too."""
    rows = summed_rows.where(named(SOURCE_SET).isNotNull())
    names = set_names(rows, sets)
    with_names = rows.join(F.broadcast(names), on=[SOURCE_SET, GROUP_SET], how="inner")
    fault = F.when(named(SCORES[0]).isNull(), "null_caption")
    if with_references:
        fault = fault.when(F.col("cider").isNull(), "without_references")
    return (
        with_names.withColumnRenamed("_source", SOURCE)
        .withColumnRenamed("_group", GROUP)
        .withColumn(FAULT, fault)
        .select(*CAPTION_SCORES.names)
    )
