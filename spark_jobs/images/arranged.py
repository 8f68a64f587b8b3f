"""Images that were written as files: which of several with one name stay, and their metadata."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.core.schemas import ARRANGED_IMAGES, CLASS, KEY, NAME, PATH, REASON, UID
from udfs.images.arranging import ENTRY, FILE, FOLDER
from udfs.images.samples import POSITION

DUPLICATE_NAME = "duplicate_name"
STANDS_AT = "_stands_at"  # path of the file that has the name
_RANK = "_rank"


def with_one_row_per_name(written: DataFrame) -> DataFrame:
    """The reason `duplicate_name` for all images of a name but the first by key and position.

    Adds STANDS_AT, the path of the image that keeps the name.
    """
    accepted = F.col(REASON).isNull()
    # Rows with a reason have no file, and come after those with one.
    by_name = Window.partitionBy(NAME).orderBy(REASON, KEY, POSITION, UID)
    ranked = written.withColumn(_RANK, F.row_number().over(by_name))
    ranked = ranked.withColumn(STANDS_AT, F.first(path_of_row()).over(by_name))
    is_later = accepted & (F.col(_RANK) > 1)
    reason = F.when(is_later, DUPLICATE_NAME).otherwise(F.col(REASON))
    return ranked.withColumn(REASON, reason).drop(_RANK)


def repeated_names(written: DataFrame) -> DataFrame:
    """The names of several files."""
    files = written.where(F.col(REASON).isNull())
    return files.groupBy(NAME).agg(F.count("*").alias("n")).where("n > 1").select(NAME)


def path_of_row() -> Column:
    """The path of a row's file, below the output."""
    return F.concat_ws("/", FOLDER, FILE)


def metadata_rows(written: DataFrame, folders: DataFrame) -> DataFrame:
    """schemas.ARRANGED_IMAGES of the rows that have a file; `folders`: class and folder."""
    fields = ARRANGED_IMAGES.fields[4:]
    kinds = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in fields)
    accepted = written.where(F.col(REASON).isNull()).drop(FOLDER)
    named = accepted.join(F.broadcast(folders), on=CLASS)
    values = named.withColumn("_fields", F.from_json(ENTRY, kinds))
    return values.select(
        UID,
        KEY,
        CLASS,
        path_of_row().alias(PATH),
        *(F.col("_fields").getField(field.name).alias(field.name) for field in fields),
    )
