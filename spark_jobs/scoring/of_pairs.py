"""CLIP score: cosine of image and caption embedding (Hessel et al. 2021, without the factor)."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import keys
from spark_jobs.core.schemas import EMBEDDING, SCORE, UID
from udfs.pair_scores import cosines_of_pairs

PAPERS = (
    "CLIPScore, without its factor: CLIP similarity of an image to its caption",
    "DataComp, CLIP score baseline: the score to filter by",
)

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
    score = cosines_of_pairs(
        key_columns, image=_IMAGE, caption=EMBEDDING, score=SCORE, tables=names
    )
    return map_in_arrow(pairs, score, columns)
