"""Images with captions, one or several each: a table, or shards with a record for each image."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType, StringType, StructType

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.columns import named, require_column_type, require_columns, with_image_bytes
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION, CAPTIONS_LIST, FAULT, IMAGE, UID, UIDS
from spark_jobs.formats.image_files import list_image_files, read_image_files
from spark_jobs.formats.images_at import text_or
from spark_jobs.storage.run import Run
from udfs.images.samples import RECORD

_RECORD = f"{CAPTION} string, {CAPTIONS_LIST} array<string>"
_PARSED = "_parsed"


@dataclass(frozen=True)
class Pairs:
    """Images: uid, image and fault, in several rows where a uid is; captions: uid and caption."""

    images: DataFrame
    captions: DataFrame
    tables: Sequence[DataFrame]


def read_pairs(run: Run, address: str) -> Pairs:
    """The pairs at an address; InputDataError or MissingColumnError if it has none.

    A table has uid, image, and caption or captions, a list of texts or of what mix-captions writes;
    of one uid several rows may be there. Files are what read-images takes, with records that have
    caption or captions, such as the shards of export-webdataset.
    """
    if run.reads_table(address):
        return _of_table(run, address)
    files = list_image_files(run.spark, parse_address(address).location)
    rows = read_image_files(run.spark, files, "format").where(F.col(UID).isNotNull())
    record = F.from_json(F.col(RECORD), _RECORD)
    with_record = rows.withColumn(_PARSED, record)
    captions, caption = (
        F.col(_PARSED).getField(name).alias(name) for name in (CAPTIONS_LIST, CAPTION)
    )
    texts = _texts(captions, caption)
    return Pairs(rows.select(UID, IMAGE, FAULT), _exploded(with_record, texts), [])


def _of_table(run: Run, address: str) -> Pairs:
    called = f"table {address}"
    rows = with_image_bytes(run.read(address, UIDS), IMAGE)
    require_columns(rows, called, [IMAGE])
    require_column_type(rows, called, IMAGE, (BinaryType,), "encoded images")
    if CAPTIONS_LIST in rows.columns:
        captions = _list_of_texts(rows, called)
        caption = named(CAPTION) if CAPTION in rows.columns else F.lit(None).cast("string")
        texts = _texts(captions, caption)
    else:
        require_columns(rows, called, [CAPTION])
        texts = F.array(named(CAPTION))
    if rows.where(F.col(UID).isNull()).limit(1).collect():
        raise InputDataError(f"{called}: uid is null in some rows")
    images = rows.select(UID, IMAGE, text_or(rows, FAULT, None).alias(FAULT))
    return Pairs(images, _exploded(rows, texts), [rows])


def _list_of_texts(rows: DataFrame, called: str) -> Column:
    expected = "a list of texts, or of structs with caption"
    require_column_type(rows, called, CAPTIONS_LIST, (ArrayType,), expected)
    list_type = rows.schema[CAPTIONS_LIST].dataType
    element = list_type.elementType if isinstance(list_type, ArrayType) else None
    if isinstance(element, StructType) and CAPTION in element.names:
        return F.transform(named(CAPTIONS_LIST), lambda entry: entry[CAPTION])
    if not isinstance(element, StringType):
        raise InputDataError(
            f"{called}: column {CAPTIONS_LIST!r} is {list_type.simpleString()}, expected {expected}"
        )
    return named(CAPTIONS_LIST)


def _texts(captions: Column, caption: Column) -> Column:
    """The list, where it has any, else the one caption."""
    return F.when(F.size(captions) > 0, captions).otherwise(F.array(caption))


def _exploded(rows: DataFrame, texts: Column) -> DataFrame:
    return rows.select(UID, F.explode(texts).alias(CAPTION))
