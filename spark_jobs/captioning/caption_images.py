"""Captions of images by a model, computed on executors."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.schemas import (
    CAPTION_SOURCE,
    IMAGE_CAPTIONS,
    MODEL,
    STRATEGY,
    UID,
    WEIGHTS,
)
from udfs.captioning import image_captions
from udfs.captioning.image_captions import Captioning

_TYPES = {"caption_id": IntegerType(), "item_hash": LongType()}
_WRITTEN = StructType(
    [StructField(name, _TYPES.get(name, StringType())) for name in image_captions.COLUMNS.names]
)


def caption_images(
    rows: DataFrame, work: Captioning, *, source: str, weights: str, n_tasks: int
) -> DataFrame:
    """schemas.IMAGE_CAPTIONS of the rows of `with_item_hash`, uid and image (Nguyen et al. 2023).

    Images are spread over `n_tasks` by uid: to write captions takes far longer than to move them.
    `source`: the caption_source of all. `weights`: the digest of the model's files.
    """
    written = map_in_arrow(
        rows.repartition(n_tasks, UID), image_captions.caption_images(work), _WRITTEN
    )
    constants = {
        CAPTION_SOURCE: source,
        MODEL: work.model.name,
        WEIGHTS: weights,
        STRATEGY: work.label(),
    }
    return written.withColumns({k: F.lit(v) for k, v in constants.items()}).select(
        *IMAGE_CAPTIONS.names
    )
