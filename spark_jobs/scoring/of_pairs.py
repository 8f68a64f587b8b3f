"""CLIP score: cosine of image and caption embedding (Hessel et al. 2021, without the factor)."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import keys
from spark_jobs.core.schemas import EMBEDDING, SCORE, UID
from udfs.arrow import Batches, BatchFunction
from udfs.vectors import stored_cosines, unit_matrix

_IMAGE = "_image"


def score_pairs(images: DataFrame, captions: DataFrame, *, names: tuple[str, str]) -> DataFrame:
    """The key of each caption and its score, the cosine of its and its image's vector.

    Scores have six decimals. `images`: uid and embedding, a row per uid. `captions`: the same, with
    caption_id if an image has several. Leaves out rows without a vector and captions without an
    image. A vector that is not of unit length raises TaskInputError; `names`: of the tables of
    images and captions, for its message.
    """
    key_columns = keys(captions)
    image_vectors = images.select(UID, F.col(EMBEDDING).alias(_IMAGE))
    pairs = captions.select(*key_columns, EMBEDDING).join(image_vectors, on=UID, how="inner")
    pairs = pairs.where(F.col(EMBEDDING).isNotNull() & F.col(_IMAGE).isNotNull())
    columns = StructType([*pairs.select(*key_columns).schema, StructField(SCORE, FloatType())])
    return map_in_arrow(pairs, cosines_of_pairs(key_columns, names), columns)


def cosines_of_pairs(key_columns: Sequence[str], names: tuple[str, str]) -> BatchFunction:
    """For mapInArrow: key columns, embedding, _image -> key columns and score."""

    def score(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            uids = batch.column(UID)
            images = unit_matrix(batch.column(_IMAGE), uids, names[0])
            captions = unit_matrix(batch.column(EMBEDDING), uids, names[1])
            cosines = stored_cosines(np.einsum("ij,ij->i", images, captions))
            row_keys = [batch.column(name) for name in key_columns]
            yield pa.RecordBatch.from_arrays([*row_keys, pa.array(cosines)], [*key_columns, SCORE])

    return score
