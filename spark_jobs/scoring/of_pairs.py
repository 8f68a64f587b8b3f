"""Similarity of images to their captions (CLIP score; Hessel et al. 2021, without its factor)."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, StructField, StructType

from spark_jobs.columns import keys
from spark_jobs.schemas import EMBEDDING, SCORE, UID
from udfs.arrow import Batches
from udfs.vectors import matrix

_IMAGE = "_image"


def score_pairs(images: DataFrame, captions: DataFrame) -> DataFrame:
    """The key of each caption and the cosine of its vector and its image's, float in [-1, 1].

    images: uid and embedding; captions: the same, and caption_id where an image has several. Both
    are of unit length. Captions without an image are left out.
    """
    by = keys(captions)
    of_image = images.select(UID, F.col(EMBEDDING).alias(_IMAGE))
    pairs = captions.select(*by, EMBEDDING).join(of_image, on=UID)
    pairs = pairs.where(F.col(EMBEDDING).isNotNull() & F.col(_IMAGE).isNotNull())
    columns = StructType([*pairs.select(*by).schema, StructField(SCORE, FloatType())])

    def score(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            sides = matrix(batch.column(EMBEDDING)), matrix(batch.column(_IMAGE))
            cosine = np.einsum("ij,ij->i", *sides).clip(-1, 1)
            kept = [batch.column(name) for name in by]
            yield pa.RecordBatch.from_arrays([*kept, pa.array(cosine, pa.float32())], columns.names)

    return pairs.mapInArrow(score, columns)
