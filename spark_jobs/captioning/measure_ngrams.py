"""N-grams of captions and references: each text is cut into tokens once, in one shuffle of text."""

import math
from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.even_partitions import repartition_evenly
from spark_jobs.core.histogram_bins import bin_number
from spark_jobs.core.id_counts import PACKED
from spark_jobs.core.schemas import CAPTION, CAPTION_ID, DRAW, UID
from udfs.captioning.answered import answered_and_counted
from udfs.captioning.document_frequencies import CHUNK
from udfs.captioning.packed_ngrams import (
    GROUP_SET,
    IMAGE,
    IMAGES,
    IS_REFERENCE,
    PLACE,
    PLACE_BITS,
    SOURCE_SET,
    TEXTS,
    TOKENS,
    packed_ngrams,
)
from udfs.captioning.scored_captions import IMAGE_COSINE, TEXT_COSINE
from udfs.captioning.set_sums import IMAGE_BIN, TEXT_BIN
from udfs.captioning.tokens import TokenRule
from udfs.captioning.type_counts import (
    JACKKNIFE,
    LEVEL,
    ORDER,
    SET,
    TYPES,
    packed_nouns,
)
from udfs.id_counts import COUNTS, IDS, PART

TEXTS_PER_CHUNK = 50_000
_MOST_PARTITIONS = 10_000
_HASH = "_hash"
_CHUNK = StructField(CHUNK, IntegerType())
_TEXT_COLUMNS = (
    StructField(IMAGE, LongType()),
    StructField(IS_REFERENCE, BooleanType()),
    StructField(TOKENS, BinaryType()),
    *(StructField(name, IntegerType()) for name in (SOURCE_SET, GROUP_SET)),
    StructField(DRAW, DoubleType()),
)
_BINS = {IMAGE_COSINE: IMAGE_BIN, TEXT_COSINE: TEXT_BIN}
_KEYS = (StructField(UID, StringType()), StructField(CAPTION_ID, IntegerType()))
PACKED_COLUMNS = StructType(
    [
        *PACKED,
        _CHUNK,
        StructField(PLACE, LongType()),
        StructField(TEXTS, BinaryType()),
        StructField(IMAGES, LongType()),
    ]
)
ANSWERED_COLUMNS = StructType(
    [
        _CHUNK,
        PACKED[IDS],
        PACKED[COUNTS],
        *(StructField(name, IntegerType()) for name in (SET, ORDER, LEVEL, JACKKNIFE)),
        StructField(TYPES, LongType()),
    ]
)


def text_columns(cosines: Iterable[str], *, scores: bool) -> StructType:
    """The columns of texts in blobs of `pack_ngrams`.

    `cosines`: names of those that are known. `scores`: whether keys of captions are needed later.
    """
    of_cosines = [
        field
        for name in cosines
        for field in (StructField(name, DoubleType()), StructField(_BINS[name], IntegerType()))
    ]
    return StructType([*_TEXT_COLUMNS, *of_cosines, *(_KEYS if scores else ())])


def chunks_of(n_texts: int) -> int:
    """The chunks that images are divided into, of about TEXTS_PER_CHUNK texts each."""
    return max(1, math.ceil(n_texts / TEXTS_PER_CHUNK))


def pack_ngrams(
    captions: DataFrame,
    references: DataFrame | None,
    rule: TokenRule,
    columns: StructType,
    *,
    n_chunks: int,
) -> DataFrame:
    """What `packed_ngrams` makes of all texts.

    `captions`: rows of `source_rows` with sets. `references`: uid and caption. `columns`: of
    `text_columns`.
    """
    made = (IMAGE, TOKENS, IS_REFERENCE, *_BINS.values())
    known = [name for name in _BINS if name in columns.names]
    bins = [bin_number(named(name)).cast("int").alias(_BINS[name]) for name in known]
    others = [name for name in columns.names if name not in (*made, UID)]
    chunk = F.lit(0).cast("int").alias(CHUNK)
    texts = captions.select(UID, CAPTION, *others, *bins, F.lit(False).alias(IS_REFERENCE))
    if references is None:
        texts = texts.select(chunk, *texts.columns)
    else:
        with_text = references.where(F.col(UID).isNotNull() & F.col(CAPTION).isNotNull()).select(
            UID,
            CAPTION,
            *(F.lit(-1).alias(name) for name in (SOURCE_SET, GROUP_SET)),
            F.lit(0.0).alias(DRAW),
            F.lit(True).alias(IS_REFERENCE),
        )
        texts = _in_chunks(texts.unionByName(with_text, allowMissingColumns=True), n_chunks)
    pack = packed_ngrams(rule, to_arrow_schema(columns), to_arrow_schema(PACKED_COLUMNS))
    return map_in_arrow(texts, pack, PACKED_COLUMNS)


def _in_chunks(texts: DataFrame, n_chunks: int) -> DataFrame:
    """Each image's texts in its chunk, one after the other, references first."""
    hashed = texts.withColumn(_HASH, F.xxhash64(UID))
    # Ascends with the hash, so that to sort by this sorts by the chunk too.
    chunk = F.shiftright((F.shiftright(_HASH, 33) + F.lit(1 << 30)) * F.lit(n_chunks), 31)
    rows = hashed.withColumn(CHUNK, chunk.cast("int"))
    order: list[str | Column] = [_HASH, UID, F.desc(IS_REFERENCE), SOURCE_SET]
    order += [CAPTION_ID] if CAPTION_ID in texts.columns else []
    return in_partitions(rows, n_chunks).sortWithinPartitions(*order, CAPTION).drop(_HASH)


def in_partitions(rows: DataFrame, n_chunks: int) -> DataFrame:
    """The rows by chunk, one or more of them in a partition."""
    return repartition_evenly(rows, min(n_chunks, _MOST_PARTITIONS), CHUNK)


def n_compared_images(packed: DataFrame) -> int:
    """The images that have both a caption and a reference."""
    row = packed.where(named(IMAGES).isNotNull()).agg(F.sum(IMAGES)).first()
    return int((row and row[0]) or 0)


def noun_rows(captions: DataFrame) -> DataFrame:
    """Packed types of the captions' nouns; each worker needs the model of the tagger."""
    rows = captions.where(F.col(CAPTION).isNotNull()).select(CAPTION, DRAW, SOURCE_SET, GROUP_SET)
    return map_in_arrow(rows, packed_nouns(CAPTION, DRAW, (SOURCE_SET, GROUP_SET)), PACKED)


def answer_and_count(packed: DataFrame, nouns: DataFrame | None) -> DataFrame:
    """Answers to the chunks, and the numbers of types: what `answered_and_counted` gives."""
    rows = packed.where(named(PART).isNotNull()).select(PART, CHUNK, IDS, COUNTS)
    if nouns is not None:
        rows = rows.unionByName(nouns, allowMissingColumns=True)
    by_part = rows.repartition(PART).sortWithinPartitions(PART)
    return map_in_arrow(
        by_part, answered_and_counted(to_arrow_schema(ANSWERED_COLUMNS)), ANSWERED_COLUMNS
    )


def text_blobs(packed: DataFrame, answered: DataFrame | None, n_chunks: int) -> DataFrame:
    """The blobs of texts; `answered`: in front of those of a chunk the answers to it."""
    blobs = packed.where(named(TEXTS).isNotNull()).select(CHUNK, PLACE, TEXTS)
    if answered is None:
        return blobs
    answers = answered.where(named(IDS).isNotNull()).select(
        CHUNK, F.shiftleft(F.col(CHUNK).cast("long"), PLACE_BITS).alias(PLACE), IDS, COUNTS
    )
    together = blobs.unionByName(answers, allowMissingColumns=True)
    return in_partitions(together, n_chunks).sortWithinPartitions(PLACE)
