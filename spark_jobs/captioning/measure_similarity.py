"""BLEU, CIDEr-D and CLIP scores of captions, a row for each, and their means with intervals."""

import math

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BinaryType,
    DoubleType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.captioning.measured_captions import IMAGE_COSINE, SET, SETS, TEXT_COSINE
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.id_counts import PACKED
from spark_jobs.core.schemas import (
    CAPTION,
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
from spark_jobs.core.unions import union_all
from udfs.captioning.document_frequencies import CHUNK, answered, packed_requests
from udfs.captioning.scored_captions import REFERENCES, SCORES, scored
from udfs.captioning.statistics import STATISTICS, SUMS, measured, summed
from udfs.captioning.tokens import TokenRule
from udfs.id_counts import COUNTS, IDS, PART

PAPERS = (
    "CLIPScore, CLIP-S: 2.5 times the cosine of caption and image, where that is positive",
    "CLIPScore, RefCLIP-S: harmonic mean of CLIP-S and the largest cosine to a reference",
    "BLEU, sections 2.1 and 2.2: clipped n-gram precisions and brevity penalty",
    "CIDEr, CIDEr-D: n-grams weighted by tf-idf, document frequencies by image",
)
IMAGES_PER_CHUNK = 20_000
_MOST_PARTITIONS = 10_000
_CARRIED = (UID, CAPTION_ID, SOURCE, GROUP, SETS, DRAW)
_TEXTS = "_texts"
_CHUNK = StructField(CHUNK, IntegerType())
_ANSWERS = StructType([_CHUNK, StructField(IDS, BinaryType()), StructField(COUNTS, BinaryType())])
_REQUESTS = StructType([PACKED[PART], _CHUNK, PACKED[IDS], PACKED[COUNTS]])
_SUMS = StructType([StructField(SET, IntegerType()), StructField(SUMS, BinaryType())])
_MEASURED = StructType(
    [
        StructField(SET, IntegerType()),
        StructField(MEASURE, StringType()),
        *(StructField(name, DoubleType()) for name in (VALUE, LOW, HIGH)),
        MEASURES[N],
    ]
)


def references_by_image(references: DataFrame, captions: DataFrame) -> DataFrame:
    """Uid and references, its captions that are not null, of the images that have a caption."""
    with_caption = captions.where(F.col(CAPTION).isNotNull()).select(UID).distinct()
    not_null = references.where(F.col(CAPTION).isNotNull()).select(UID, CAPTION)
    grouped = not_null.groupBy(UID).agg(F.sort_array(F.collect_list(CAPTION)).alias(REFERENCES))
    return grouped.join(with_caption, on=UID, how="left_semi")


def score_captions(
    captions: DataFrame, references: DataFrame | None, rule: TokenRule, *, n_images: int
) -> DataFrame:
    """Columns _CARRIED, SCORES and statistics of each caption.

    `captions`: rows of `source_rows` with sets. `references`: of `references_by_image`, of
    `n_images` images; the document frequencies are over these.
    """
    n_chunks = max(1, math.ceil(n_images / IMAGES_PER_CHUNK))
    chunk = F.pmod(F.xxhash64(UID), F.lit(n_chunks)).cast("int").alias(CHUNK)
    columns = [*_CARRIED, CAPTION, IMAGE_COSINE, TEXT_COSINE]
    if references is None:
        rows = captions.select(
            F.lit(0).alias(CHUNK),
            F.lit(None).cast("binary").alias(IDS),
            F.lit(None).cast("binary").alias(COUNTS),
            *columns,
        )
    else:
        rows = _with_answers(captions.select(chunk, *columns), references, chunk, rule, n_chunks)
    schema = StructType(
        [
            *captions.select(*_CARRIED).schema,
            *(CAPTION_SCORES[name] for name in SCORES),
            StructField(STATISTICS, BinaryType()),
        ]
    )
    return map_in_arrow(rows, scored(rule, _CARRIED, n_images=n_images), schema)


def _with_answers(
    captions: DataFrame, references: DataFrame, chunk: Column, rule: TokenRule, n_chunks: int
) -> DataFrame:
    """The captions with their references, and in front of those of a chunk its frequencies."""
    n_partitions = min(n_chunks, _MOST_PARTITIONS)
    requests = [
        map_in_arrow(
            texts.repartition(n_partitions, CHUNK).sortWithinPartitions(CHUNK),
            packed_requests(rule, are_references=are_references),
            _REQUESTS,
        )
        for texts, are_references in (
            (references.select(chunk, F.col(REFERENCES).alias(_TEXTS)), True),
            (captions.where(F.col(CAPTION).isNotNull()).select(CHUNK, F.array(CAPTION)), False),
        )
    ]
    by_part = union_all(requests).repartition(PART).sortWithinPartitions(PART)
    answers = map_in_arrow(by_part, answered, _ANSWERS)
    with_references = captions.join(references, on=UID, how="left")
    rows = answers.unionByName(with_references, allowMissingColumns=True)
    return rows.repartition(n_partitions, CHUNK).sortWithinPartitions(CHUNK, F.col(IDS).isNull())


def measure_sets(scored_captions: DataFrame, *, n_replicates: int) -> DataFrame:
    """Measures of each set: set, measure, value, low, high, n.

    Bounds are percentiles of `n_replicates` Poisson bootstrap replicates, drawn by image.
    """
    sums = map_in_arrow(scored_captions.select(SETS, DRAW, STATISTICS), summed(n_replicates), _SUMS)
    by_set = sums.repartition(SET).sortWithinPartitions(SET, SUMS)
    return map_in_arrow(by_set, measured, _MEASURED)


def caption_score_rows(scored_captions: DataFrame, *, with_references: bool) -> DataFrame:
    """schemas.CAPTION_SCORES of the captions, those that are null too."""
    fault = F.when(named(SCORES[0]).isNull(), "null_caption")
    if with_references:
        fault = fault.when(F.col("cider").isNull(), "without_references")
    return scored_captions.withColumn(FAULT, fault).select(*CAPTION_SCORES.names)
