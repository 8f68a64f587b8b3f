"""Folders that this program and Spark's workers open as one path: whether it is one disk."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql.types import BooleanType, StringType, StructField, StructType

from spark_jobs.core.addresses import local_folder, parse_address
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.errors import OutputTableError, SettingsError
from spark_jobs.core.settings import Settings
from spark_jobs.core.spark_connect import is_remote
from spark_jobs.storage.default_store import is_default_store_local
from udfs.file_systems import DBFS, VOLUMES, plain_path
from udfs.shared_disk import IS_THERE, PATH, look_for_folders
from udfs.stores import place_of

_PATHS = StructType([StructField(PATH, StringType())])
_FOUND = StructType([*_PATHS, StructField(IS_THERE, BooleanType())])
_N_TASKS = 8  # on several machines, where there are several
_shared: set[str] = set()  # folders that workers were found to have


def outputs_on_disks(spark: SparkSession, settings: Settings) -> dict[str, str]:
    """Setting -> folder, of the tables that Spark's workers write to a path without a store.

    Each worker would write to its own disk, and the table would lack the rows of all but one.
    """
    folders = {}
    plain_files = settings.addresses("folder")
    for name, address in settings.addresses("output").items():
        table = parse_address(address)
        path = plain_path(table.location)
        if name in plain_files or not path.startswith("/") or path.startswith((VOLUMES, DBFS)):
            continue
        if not is_default_store_local(spark):
            if table.format == "parquet":
                raise OutputTableError(
                    f"{name} = {address}: the paths of Spark are those of a store here, and a "
                    "folder of parquet needs its address: parquet:hdfs://..., or parquet:s3a://..."
                )
            continue
        # Through Connect, tables lie on the disks of the server, which this program does not see.
        if table.format == "parquet" or not is_remote(spark):
            folders[name] = path
    return folders


def refuse_separate_disks(spark: SparkSession, folders: Mapping[str, str]) -> None:
    """Raise SettingsError for the first setting whose folder the workers do not have.

    `folders`: setting -> path, or address in a store, which needs no disk. A new folder in it, or
    in the nearest folder above it that is there, is looked for by a few tasks.
    """
    for name, address in folders.items():
        if place_of(address) is not None:
            continue
        folder = _nearest_existing(Path(local_folder(address)))
        if str(folder) in _shared:
            continue
        try:
            with tempfile.TemporaryDirectory(prefix=".captionlake-", dir=folder) as new_folder:
                is_shared = _have_folder(spark, [new_folder] * _N_TASKS)
        except OSError:  # an input, which may be read-only
            is_shared = _have_folder(spark, [str(folder)] * _N_TASKS)
        if not is_shared:
            raise SettingsError(
                f"{name} = {address}: this program and the workers of Spark open it as a path, but "
                "the workers do not have what is there: give a folder of a disk that both have, or "
                "run in local mode"
            )
        _shared.add(str(folder))


def _nearest_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _have_folder(spark: SparkSession, paths: Iterable[str]) -> bool:
    rows = spark.createDataFrame([(path,) for path in paths], _PATHS).repartition(_N_TASKS)
    return all(row[IS_THERE] for row in map_in_arrow(rows, look_for_folders, _FOUND).collect())
