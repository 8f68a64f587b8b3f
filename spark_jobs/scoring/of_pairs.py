"""Similarity of images to their captions (CLIP score; Hessel et al. 2021, without its factor)."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import keys
from spark_jobs.core.schemas import EMBEDDING, SCORE, UID
from udfs.arrow import Batches
from udfs.vectors import stored_cosines, unit_matrix

_IMAGE = "_image"


def score_pairs(images: DataFrame, captions: DataFrame, *, names: tuple[str, str]) -> DataFrame:
    """The key of each caption and the cosine of its vector and its image's, to six decimals.

    images: uid and embedding, a row a uid; captions: the same, and caption_id where an image has
    several. Rows without a vector and captions without an image are left out. A vector that is not
    of unit length is a TaskInputError, with its table of `names`, and no clipped score.
    """
    by = keys(captions)
    of_image = images.select(UID, F.col(EMBEDDING).alias(_IMAGE))
    pairs = captions.select(*by, EMBEDDING).join(of_image, on=UID, how="inner")
    pairs = pairs.where(F.col(EMBEDDING).isNotNull() & F.col(_IMAGE).isNotNull())
    columns = StructType([*pairs.select(*by).schema, StructField(SCORE, FloatType())])

    def score(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            uids = batch.column(UID)
            image = unit_matrix(batch.column(_IMAGE), uids, names[0])
            caption = unit_matrix(batch.column(EMBEDDING), uids, names[1])
            cosines = stored_cosines(np.einsum("ij,ij->i", image, caption))
            kept = [batch.column(name) for name in by]
            yield pa.RecordBatch.from_arrays([*kept, pa.array(cosines)], columns.names)

    return map_in_arrow(pairs, score, columns)
