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
    TOKENS,
    packed_ngrams,
)
from udfs.captioning.scored_captions import IMAGE_COSINE, TEXT_COSINE
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
_TOKEN_ROW = (
    StructField(PLACE, LongType()),
    StructField(IMAGE, LongType()),
    StructField(IS_REFERENCE, BooleanType()),
    StructField(TOKENS, BinaryType()),
    *(StructField(name, IntegerType()) for name in (SOURCE_SET, GROUP_SET)),
    StructField(DRAW, DoubleType()),
)
_COSINES = tuple(StructField(name, DoubleType()) for name in (IMAGE_COSINE, TEXT_COSINE))
_KEYS = (StructField(UID, StringType()), StructField(CAPTION_ID, IntegerType()))
ANSWERED_COLUMNS = StructType(
    [
        _CHUNK,
        PACKED[IDS],
        PACKED[COUNTS],
        *(StructField(name, IntegerType()) for name in (SET, ORDER, LEVEL, JACKKNIFE)),
        StructField(TYPES, LongType()),
    ]
)


def packed_columns(carried: Iterable[StructField]) -> StructType:
    """The columns of `pack_ngrams`; `carried`: those of captions that are needed later."""
    return StructType([*PACKED, _CHUNK, *_TOKEN_ROW, *carried, StructField(IMAGES, LongType())])


def chunks_of(n_texts: int) -> int:
    """The chunks that images are divided into, of about TEXTS_PER_CHUNK texts each."""
    return max(1, math.ceil(n_texts / TEXTS_PER_CHUNK))


def pack_ngrams(
    captions: DataFrame,
    references: DataFrame | None,
    rule: TokenRule,
    *,
    n_chunks: int,
    cosines: bool,
    scores: bool,
) -> DataFrame:
    """What `packed_ngrams` makes of all texts.

    `captions`: rows of `source_rows` with sets. `references`: uid and caption. `cosines`: whether
    any are known. `scores`: whether the keys of captions are needed later.
    """
    carried = [*(_COSINES if cosines else ()), *(_KEYS if scores else ())]
    names = [field.name for field in carried]
    columns = [UID, CAPTION, SOURCE_SET, GROUP_SET, DRAW, *(n for n in names if n != UID)]
    chunk = F.lit(0).cast("int").alias(CHUNK)
    texts = captions.select(*columns, F.lit(False).alias(IS_REFERENCE))
    if references is None:
        texts = texts.select(chunk, *texts.columns)
    else:
        others = references.where(F.col(UID).isNotNull() & F.col(CAPTION).isNotNull()).select(
            UID,
            CAPTION,
            *(F.lit(-1).alias(name) for name in (SOURCE_SET, GROUP_SET)),
            F.lit(0.0).alias(DRAW),
            F.lit(True).alias(IS_REFERENCE),
        )
        texts = _in_chunks(texts.unionByName(others, allowMissingColumns=True), n_chunks)
    schema = packed_columns(carried)
    return map_in_arrow(texts, packed_ngrams(rule, names, to_arrow_schema(schema)), schema)


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


def token_rows(packed: DataFrame, answered: DataFrame | None, n_chunks: int) -> DataFrame:
    """The texts' tokens; `answered`: in front of those of a chunk the answers to it."""
    dropped = [PART, IDS, COUNTS, IMAGES]
    rows = packed.where(named(PLACE).isNotNull()).drop(*dropped)
    if answered is None:
        return rows
    answers = answered.where(named(IDS).isNotNull()).select(
        CHUNK, F.shiftleft(F.col(CHUNK).cast("long"), PLACE_BITS).alias(PLACE), IDS, COUNTS
    )
    together = rows.unionByName(answers, allowMissingColumns=True)
    return in_partitions(together, n_chunks).sortWithinPartitions(PLACE)
