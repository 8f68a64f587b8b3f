"""Perceptual hashes of a table of images, as a column."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named
from spark_jobs.core.schemas import IMAGE
from udfs.images.perceptual_hash import HashKind, hash_images


def with_hashes(
    images: DataFrame, kind: HashKind, columns: StructType, *, hash_column: str, fault_column: str
) -> DataFrame:
    """The columns of the images, then their hash and, if there is none, the reason.

    columns: those of the images that stay. The images are decoded in tasks; they are untrusted,
    see udfs.images.decoding.
    """
    hashed_columns = [StructField(hash_column, LongType()), StructField(fault_column, StringType())]
    rows = images.select(*(named(name) for name in columns.names), F.col(IMAGE))
    return map_in_arrow(rows, hash_images(kind), StructType([*columns.fields, *hashed_columns]))
