"""A folder of images by class that tasks write: one file per name, and the files beside them."""

import json
from collections.abc import Callable, Iterator, Mapping

import pyarrow.fs as pafs
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.arrow_collecting import record_batches
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CLASS, KEY, NAME, REASON, UID
from spark_jobs.images.arranged import (
    STANDS_AT,
    path_of_row,
    repeated_names,
    with_one_row_per_name,
)
from udfs.file_systems import file_system, plain_path, spark_location
from udfs.folder_names import folder_names
from udfs.images.arranging import ENTRY, folder_of_class
from udfs.images.samples import POSITION

METADATA, CLASS_FOLDERS = "metadata.json", "class_folders.json"
_MOST_REPEATED = 100_000
_PATH = "path"


def stored(rows: DataFrame, folder: str, name: str) -> DataFrame:
    """The rows, computed once and kept in a hidden folder: writing files is not to be repeated.

    An interrupted run may have kept them there already.
    """
    path = plain_path(f"{folder}/.{name}")
    location = spark_location(path) if path.startswith("/") else path
    system, system_path = file_system(path)
    if system.get_file_info(f"{system_path}/_SUCCESS").type != pafs.FileType.File:
        rows.write.mode("overwrite").parquet(location)
    return rows.sparkSession.read.schema(rows.schema).parquet(location)


def with_unique_names(
    written: DataFrame, folder: str, write_again: Callable[[DataFrame], object]
) -> DataFrame:
    """Leave one file per name: the first by key and position; the others get a reason.

    `written`: what tasks wrote below `folder`. `write_again`: writes the images of these uid, key
    and position once more, since one of the same path may have replaced theirs. Raises
    InputDataError if more than 100,000 names are repeated.
    """
    names = repeated_names(written).limit(_MOST_REPEATED + 1)
    n_repeated = count_rows(names)
    if not n_repeated:
        return written
    if n_repeated > _MOST_REPEATED:
        raise InputDataError(
            f"more than {_MOST_REPEATED:,} file names are of several images: give --name-column "
            "with a column that differs, or read-images, which leaves one per uid"
        )
    copies = written.join(F.broadcast(names), on=NAME, how="left_semi")
    others = written.join(F.broadcast(names), on=NAME, how="left_anti")
    settled = stored(with_one_row_per_name(copies), folder, "copies")
    is_file = F.col(REASON).isNull()
    write_again(settled.where(is_file).select(UID, KEY, POSITION))
    replaced = settled.where(~is_file & (path_of_row() != F.col(STANDS_AT)))
    system, root = file_system(folder)
    for row in replaced.select(path_of_row().alias(_PATH)).distinct().toLocalIterator():
        system.delete_file(f"{root}/{row[_PATH]}")
    columns = written.columns
    return others.select(*columns).unionByName(settled.select(*columns))


def with_distinct_folders(written: DataFrame, folder: str) -> dict[str, str]:
    """Class -> folder, after folders whose names differ in case only have got others."""
    classes = [
        row[CLASS]
        for row in written.where(F.col(REASON).isNull()).select(CLASS).distinct().collect()
    ]
    names = folder_names(classes)
    system, root = file_system(folder)
    for class_name, name in names.items():
        if folder_of_class(class_name) != name:
            _move(system, f"{root}/{folder_of_class(class_name)}", f"{root}/{name}")
    return names


def folder_rows(written: DataFrame, folders: Mapping[str, str]) -> DataFrame:
    """Rows of class and folder."""
    return written.sparkSession.createDataFrame(
        [*folders.items()], f"`{CLASS}` string, folder string"
    )


def write_class_folders(folder: str, folders: Mapping[str, str]) -> None:
    """Write class_folders.json: class -> folder, sorted."""
    text = json.dumps(dict(sorted(folders.items())), indent=1, ensure_ascii=False)
    _write(f"{folder}/{CLASS_FOLDERS}", iter([text, "\n"]))


def write_metadata(folder: str, written: DataFrame) -> None:
    """Write unmet-promise's metadata.json: file name without extension -> fields of the sample."""
    entries = written.where(F.col(REASON).isNull()).select(NAME, ENTRY).orderBy(NAME)
    _write(f"{folder}/{METADATA}", _object_of(entries))


def _object_of(entries: DataFrame) -> Iterator[str]:
    separator = "{"
    for batch in record_batches(entries, in_order=True):
        names, values = (column.to_pylist() for column in batch.columns)
        for name, value in zip(names, values, strict=True):
            yield f"{separator}{json.dumps(name)}: {value}"
            separator = ",\n"
    yield "{}" if separator == "{" else "}"


def _write(location: str, texts: Iterator[str]) -> None:
    system, path = file_system(location)
    with system.open_output_stream(path) as stream:
        for text in texts:
            stream.write(text.encode())


def _move(system: pafs.FileSystem, source: str, target: str) -> None:
    """Move a folder; in a store, each of its files."""
    if isinstance(system, pafs.LocalFileSystem):
        system.move(source, target)
        return
    for file in system.get_file_info(pafs.FileSelector(source, recursive=True)):
        if file.type == pafs.FileType.File:
            system.move(file.path, f"{target}/{file.base_name}")
