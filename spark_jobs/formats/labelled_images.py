"""Images with a class each: a folder with a folder a class, or a table with a column of classes."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.arrow_mapping import with_valid_text
from spark_jobs.core.columns import named, require_columns
from spark_jobs.core.count_words import few_of
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CLASS, FAULT, IMAGE, KEY, UID
from spark_jobs.formats.image_files import list_image_files, read_image_files
from spark_jobs.formats.images_at import read_image_table, text_or
from spark_jobs.storage.run import Run
from udfs.images.samples import text_of_bytes

_SHOWN = 3


@dataclass(frozen=True)
class LabelledImages:
    """Rows of uid, key, class, image and fault; images of each class; the tables that are read.

    counts: class -> its rows; n_without_class: rows of a table whose class is null.
    """

    rows: DataFrame
    counts: Mapping[str, int]
    n_without_class: int
    tables: list[DataFrame]


def read_labelled_images(run: Run, address: str, class_column: str) -> LabelledImages:
    """The images at an address; InputDataError if there is none, or one lies in no class's folder.

    As in torchvision's ImageFolder a class is a folder directly below the address, whatever folders
    an image lies in below that.
    """
    if run.reads_table(address):
        return _of_table(run, address, class_column)
    files = list_image_files(run.spark, parse_address(address).location)
    packed = [source.names[0] for source in files.sources if source.kind != "files"]
    if packed:
        raise InputDataError(
            f"images {address}: expected a folder for each class with its images, found "
            f"{few_of(packed, _SHOWN)}; read-images makes a table of these, which takes "
            "--class-column"
        )
    counts: dict[str, int] = {}
    for name in (text_of_bytes(name) for source in files.sources for name in source.names):
        folder, slash, _ = name.partition("/")
        if not slash:
            raise InputDataError(f"images {address}: {name} lies in no folder of a class")
        counts[folder] = counts.get(folder, 0) + 1
    rows = read_image_files(run.spark, files, "format").where(F.col(UID).isNotNull())
    folder_of_key = F.substring_index(KEY, "/", 1).alias(CLASS)
    return LabelledImages(rows.select(UID, KEY, folder_of_key, IMAGE, FAULT), counts, 0, [])


def _of_table(run: Run, address: str, class_column: str) -> LabelledImages:
    table = read_image_table(run, address)
    require_columns(table, f"table {address}", [class_column])
    value = named(class_column).cast("string").alias(CLASS)
    counted = with_valid_text(table.select(value)).groupBy(CLASS).agg(F.count(F.lit(1)))
    counts = {row[0]: int(row[1]) for row in counted.collect()}
    n_without_class = counts.pop(None, 0)
    if not counts:
        raise InputDataError(f"table {address}: no row has a class in {class_column!r}")
    rows = table.select(
        UID,
        text_or(table, KEY, UID).alias(KEY),
        value,
        IMAGE,
        text_or(table, FAULT, None).alias(FAULT),
    )
    return LabelledImages(rows, counts, n_without_class, [table])
