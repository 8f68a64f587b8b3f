"""Images to be looked at one by one: a table of them, or the files that read-images takes."""

from pyspark.sql import DataFrame
from pyspark.sql.types import BinaryType, StringType, StructField, StructType

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.columns import with_image_bytes
from spark_jobs.core.schemas import EMPTY, IMAGE, IMAGES, UID, UIDS
from spark_jobs.formats.image_files import list_image_files, read_image_files
from spark_jobs.storage.file_lists import list_files_at
from spark_jobs.storage.run import Run
from udfs.images.samples import file_name
from udfs.images.sources import is_shard


def read_image_table(run: Run, address: str, column: str, needed: StructType = EMPTY) -> DataFrame:
    """A table of images with `column`: their encoded bytes, or paths that every worker can read.

    `needed`: other columns that it must have.
    """
    rows = with_image_bytes(run.read(address, needed), column)
    types_by_column = {field.name: field.dataType for field in rows.schema}
    if isinstance(types_by_column.get(column), BinaryType | StringType):
        return rows
    return run.read(address, StructType([StructField(column, BinaryType())]))


def read_images(run: Run, address: str, column: str) -> DataFrame:
    """The images at an address, with uid, and with `fault` where it was read from files.

    A table, or parquet with uid and `column`, is read as it is; else shards, image files and
    img2dataset's parquet, whose images become `column`. Raises InputDataError if there is none.
    """
    if run.reads_table(address) or _is_parquet_table(run, address, column):
        return read_image_table(run, address, column, UIDS)
    files = list_image_files(run.spark, parse_address(address).location)
    rows = read_image_files(run.spark, files, "format")
    named = rows if column == IMAGE else rows.withColumnRenamed(IMAGE, column)
    return named.where(f"{UID} IS NOT NULL").select(
        *(column if name == IMAGE else name for name in IMAGES.names)
    )


def _is_parquet_table(run: Run, address: str, column: str) -> bool:
    """Whether files are parquet alone, with uid and the column, or with a column that is named."""
    names = [file.name for file in list_files_at(run.spark, parse_address(address).location)]
    is_image_file = any(is_shard(name) or file_name(name).kind == "image" for name in names)
    if is_image_file or not any(name.lower().endswith(".parquet") for name in names):
        return False
    return column != IMAGE or {UID, column} <= {*run.read(address, EMPTY).columns}
