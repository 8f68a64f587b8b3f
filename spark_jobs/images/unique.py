"""One row per uid of tables of images, and rejected rows of the others."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.core.schemas import (
    FAULT,
    JOB,
    KEY,
    REASON,
    REJECTED,
    RUN_ID,
    SHA256,
    UID,
)

DUPLICATE_UID = "duplicate_uid"
_RANK = "_rank"


def repeated_uids(images: DataFrame) -> DataFrame:
    """The uids of several rows."""
    counted = images.groupBy(UID).agg(F.count("*").alias("n"))
    return counted.where("n > 1").select(UID)


def first_of_uids(images: DataFrame, repeated: DataFrame) -> DataFrame:
    """One row per uid: without a fault if there is one, then of the smallest key, then sha256."""
    unique = images.join(repeated, on=UID, how="left_anti")
    copies = _ranked(images, repeated).where(F.col(_RANK) == 1).drop(_RANK)
    return unique.unionByName(copies)


def later_copies(images: DataFrame, repeated: DataFrame) -> DataFrame:
    """The rows that `first_of_uids` leaves out, but for the images."""
    slim = images.drop("image")
    return _ranked(slim, repeated).where(F.col(_RANK) > 1).drop(_RANK)


def rejected_images(rows: DataFrame, reason: Column, *, run_id: str, job: str) -> DataFrame:
    """schemas.REJECTED of rows of images: all columns but the image, as JSON."""
    columns = [name for name in rows.columns if name != "image"]
    return rows.select(
        F.lit(run_id).alias(RUN_ID),
        F.lit(job).alias(JOB),
        reason.alias(REASON),
        UID,
        F.to_json(F.struct(*columns)).alias("row"),
        F.lit(None).cast("binary").alias("raw"),
    ).select(*REJECTED.names)


def _ranked(images: DataFrame, repeated: DataFrame) -> DataFrame:
    copies = images.join(repeated, on=UID, how="left_semi")
    order = (F.col(FAULT).isNotNull(), F.col(KEY), F.col(SHA256))
    return copies.withColumn(_RANK, F.row_number().over(Window.partitionBy(UID).orderBy(*order)))
