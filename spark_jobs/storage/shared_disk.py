"""Folders that this program and Spark's workers open as one path: whether it is one disk."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql.types import BooleanType, StringType, StructField, StructType

from spark_jobs.core.addresses import local_folder
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.errors import SettingsError
from udfs.shared_disk import IS_THERE, PATH, look_for_folders
from udfs.stores import place_of

_PATHS = StructType([StructField(PATH, StringType())])
_FOUND = StructType([*_PATHS, StructField(IS_THERE, BooleanType())])
_N_TASKS = 8  # on several machines, where there are several


def refuse_separate_disks(spark: SparkSession, folders: Mapping[str, str]) -> None:
    """Raise SettingsError for the first setting whose folder the workers do not have.

    `folders`: setting -> path, or address in a store, which needs no disk. A new folder in it, or
    in the nearest folder above it that is there, is looked for by a few tasks.
    """
    for name, address in folders.items():
        if place_of(address) is not None:
            continue
        folder = _nearest_existing(Path(local_folder(address)))
        try:
            with tempfile.TemporaryDirectory(prefix=".captionlake-", dir=folder) as new_folder:
                is_shared = _have_folder(spark, [new_folder] * _N_TASKS)
        except PermissionError:  # an input
            is_shared = _have_folder(spark, [str(folder)] * _N_TASKS)
        if not is_shared:
            raise SettingsError(
                f"{name} = {address}: this program and the workers of Spark open it as a path, but "
                "the workers do not have what is there: give a folder of a disk that both have, or "
                "run in local mode"
            )


def _nearest_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _have_folder(spark: SparkSession, paths: Iterable[str]) -> bool:
    rows = spark.createDataFrame([(path,) for path in paths], _PATHS).repartition(_N_TASKS)
    return all(row[IS_THERE] for row in map_in_arrow(rows, look_for_folders, _FOUND).collect())
