"""Samples for training: a caption, or several with weights, of an image; or why there is none."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StructType

from spark_jobs.core.columns import named
from spark_jobs.core.schemas import (
    CAPTION,
    CAPTIONS_LIST,
    ENTRY_IDS,
    FAULT,
    KEY,
    REASON,
    SCORE,
    SOURCE,
    UID,
    WEIGHT,
)
from udfs.images.samples import POSITION, RECORD

NO_CAPTION, NO_IMAGE, GIF, NOT_READABLE = "no_caption", "no_image", "gif", "not_readable"
_HAS_IMAGE, _RANK = "_has_image", "_rank"


def first_image_of_uids(images: DataFrame) -> DataFrame:
    """A row per uid: of several the first without a fault, by key and position."""
    order = (F.col(FAULT).isNotNull(), F.col(KEY), F.col(POSITION))
    ranked = images.withColumn(_RANK, F.row_number().over(Window.partitionBy(UID).orderBy(*order)))
    return ranked.where(F.col(_RANK) == 1).drop(_RANK)


def caption_text(captions: DataFrame) -> Column:
    """The caption of a row: the column `caption`, else the first of the list."""
    first = [F.get(named(CAPTIONS_LIST), F.lit(0)).getField(CAPTION)] if has_list(captions) else []
    own = [named(CAPTION)] if CAPTION in captions.columns else []
    return F.coalesce(*own, *first)


def has_list(captions: DataFrame) -> bool:
    """Whether rows have all captions of their images, as mix-captions writes them."""
    if CAPTIONS_LIST not in captions.columns:
        return False
    type_ = captions.schema[CAPTIONS_LIST].dataType
    if not isinstance(type_, ArrayType) or not isinstance(type_.elementType, StructType):
        return False
    return {CAPTION, WEIGHT} <= {*type_.elementType.names}


def record_text(captions: DataFrame) -> Column:
    """The JSON of a sample: uid, caption, entry_ids, and the list of captions with weights."""
    fields = [named(UID), caption_text(captions).alias(CAPTION)]
    if ENTRY_IDS in captions.columns:
        fields.append(named(ENTRY_IDS))
    if has_list(captions):
        fields += _lists(captions)
    return F.to_json(F.struct(*fields))


def _lists(captions: DataFrame) -> list[Column]:
    """The lists captions, weights, sources and scores; null, and so left out, of one caption."""
    type_ = captions.schema[CAPTIONS_LIST].dataType
    assert isinstance(type_, ArrayType)
    assert isinstance(type_.elementType, StructType)
    in_files = {CAPTION: "captions", WEIGHT: "weights", SOURCE: "sources", SCORE: "scores"}
    several = F.size(named(CAPTIONS_LIST)) > 1

    def values_of(name: str) -> Column:
        return F.transform(named(CAPTIONS_LIST), lambda entry: entry[name])

    return [
        F.when(several, values_of(name)).alias(alias)
        for name, alias in in_files.items()
        if name in type_.elementType.names
    ]


def samples(captions: DataFrame, images: DataFrame) -> DataFrame:
    """uid, caption, record, key and position of the image, and reason, a row per caption.

    `captions`: a row per uid; `images`: uid, key, position and fault, a row per uid. The reason is
    null, no_caption, no_image, or the fault of the image (gif, not_readable ...).
    """
    text = caption_text(captions)
    left = captions.select(UID, text.alias(CAPTION), record_text(captions).alias(RECORD))
    right = images.select(UID, KEY, POSITION, FAULT, F.lit(True).alias(_HAS_IMAGE))
    reason = (
        F.when(F.trim(F.coalesce(CAPTION, F.lit(""))) == "", NO_CAPTION)
        .when(F.col(_HAS_IMAGE).isNull(), NO_IMAGE)
        .otherwise(F.col(FAULT))
    )
    joined = left.join(right, on=UID, how="left")
    return joined.select(UID, CAPTION, RECORD, KEY, POSITION, reason.alias(REASON))
