"""Images to arrange: of a table or of files, with classes of their own or of a table of labels."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import named, require_columns
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CLASS, FAULT, IMAGE, KEY, NAME, UID
from spark_jobs.formats.image_files import list_image_files, read_image_files, source_rows
from spark_jobs.formats.images_at import read_image_table, text_or
from spark_jobs.storage.run import Run
from udfs.images import arranging
from udfs.images.arranging import FIELDS, Naming, write_images, write_samples
from udfs.images.samples import POSITION, RECORD

# What writing an image leaves behind: a row per image, without its bytes.
WRITTEN = StructType(
    [
        StructField(name, LongType() if name == POSITION else StringType())
        for name in arranging.COLUMNS.names
    ]
)
_UID = StructType([StructField(UID, StringType())])
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ArrangeableImages:
    """Images to be written. `rows`: with their bytes. `written`: what writing them below a folder
    leaves behind, WRITTEN. `tables`: those that are read, for the size of batches.
    """

    rows: DataFrame
    written: Callable[[str], DataFrame]
    tables: Sequence[DataFrame]


def read_arrangeable_images(
    run: Run, source: str, labels: str | None, naming: Naming
) -> ArrangeableImages:
    """The images at an address, each with key, position and, unless its record has it, its class.

    Raises InputDataError or MissingColumnError if there is no image, no column of classes, or a uid
    in several rows of a table.
    """
    address = parse_address(source)
    is_table = run.reads_table(source)
    label_rows = None if labels is None else _read_labels(run, labels, naming)
    tables: list[DataFrame] = []
    if is_table:
        found = _read_table(run, source, naming, has_labels=label_rows is not None)
        tables = [found]
    else:
        files = list_image_files(run.spark, address.location)
        found = read_image_files(run.spark, files, "format").where(F.col(UID).isNotNull())
    rows = found if label_rows is None else _with_labels(found, label_rows)

    def written(folder: str) -> DataFrame:
        if is_table or labels is not None:
            return map_in_arrow(rows, write_images(folder, naming), WRITTEN)
        # In one pass: images do not leave the task that reads them.
        return map_in_arrow(source_rows(run.spark, files), write_samples(folder, naming), WRITTEN)

    return ArrangeableImages(rows, written, tables)


def _read_labels(run: Run, labels: str, naming: Naming) -> DataFrame:
    """A row of class and, if it was asked for, name for each uid: of several the first by class."""
    rows = run.read(labels, _UID)
    columns = [naming.class_column, *([naming.name_column] if naming.name_column else [])]
    require_columns(rows, f"table {labels}", columns)
    uid = F.col(UID)
    counts = rows.agg(F.count("*"), F.count(uid), F.count_distinct(uid)).first()
    assert counts is not None
    n_rows, n_with_uid, n_uids = counts
    if n_with_uid < n_rows:
        raise InputDataError(f"table {labels}: uid is null in {n_rows - n_with_uid:,} rows")
    classes = rows.select(UID, *_class_and_name(naming))
    if n_uids == n_rows:
        return classes
    _log.warning(
        "table %s: %s of its rows are of images that are in another class too; each image goes to "
        "the first of its classes by name",
        *(labels, f"{n_rows - n_uids:,}"),
    )
    of_image = F.struct(*[name for name in classes.columns if name != UID])
    return classes.groupBy(UID).agg(F.min(of_image).alias("_label")).select(UID, "_label.*")


def _with_labels(images: DataFrame, labels: DataFrame) -> DataFrame:
    return images.join(labels, on=UID, how="left")


def _read_table(run: Run, source: str, naming: Naming, *, has_labels: bool) -> DataFrame:
    """Rows of a table of images, with its class and name unless labels have them."""
    rows = read_image_table(run, source)
    chosen: list[Column] = []
    if not has_labels:
        columns = [naming.class_column, *([naming.name_column] if naming.name_column else [])]
        remedy = f"it has {', '.join(rows.columns)}; give --class-column or --labels"
        require_columns(rows, f"table {source}", columns, remedy=remedy)
        chosen = _class_and_name(naming)
    fields = [name for name in FIELDS if name in rows.columns]
    return rows.select(
        UID,
        text_or(rows, KEY, UID).alias(KEY),
        IMAGE,
        text_or(rows, FAULT, None).alias(FAULT),
        F.to_json(F.struct(*fields)).alias(RECORD) if fields else F.lit("{}").alias(RECORD),
        F.lit(0).cast("long").alias(POSITION),
        *chosen,
    )


def _class_and_name(naming: Naming) -> list[Column]:
    columns = [named(naming.class_column).cast("string").alias(CLASS)]
    if naming.name_column is not None:
        columns.append(named(naming.name_column).cast("string").alias(NAME))
    return columns
