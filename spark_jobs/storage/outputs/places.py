"""Check that no output overlaps an input or another output, however their addresses are spelt."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as pafs
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from spark_jobs.core.addresses import Address, parse_address, place_of_address
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.settings import Settings
from spark_jobs.storage.catalog_details import LOCATION, catalog_details
from udfs.file_systems import file_system
from udfs.stores import place_of


def refuse_overlapping_outputs(spark: SparkSession, job: str, settings: Settings) -> None:
    """Raise SettingsError, naming both, for an output that overlaps an input or another output.

    That is an output at the same location; a `parquet:` output that contains one of them, whose
    files it would replace; or an output inside a Delta table, whose VACUUM would delete it, or
    inside an input's folder, since the next run would read it. Links, schemes and catalog names are
    resolved.
    """
    outputs = settings.addresses("output")
    setting_at: dict[str, str] = {}  # resolved location -> name of the setting
    for name, address in {**settings.addresses("input"), **outputs}.items():
        location = _resolved_location(spark, address)
        if name in outputs:
            _refuse_inside_delta(job, name, location)
            outer = [
                other
                for other, setting in setting_at.items()
                if setting not in outputs and location.startswith(f"{other}/")
            ]
            if outer:
                raise SettingsError(
                    f"{job}: {name!r} = {location} lies inside {setting_at[outer[0]]!r}, "
                    f"{outer[0]}, whose next run would read it; give an address outside of that "
                    "folder"
                )
            inner = [other for other in setting_at if other.startswith(f"{location}/")]
            if parse_address(address).format == "parquet" and inner:
                raise SettingsError(
                    f"{job}: {setting_at[inner[0]]!r} lies inside {name!r}, {location}, whose "
                    "files are replaced; an output needs an address of its own"
                )
            if location in setting_at:
                raise SettingsError(
                    f"{job}: {name!r} and {setting_at[location]!r} are both {location}; "
                    "an output needs an address of its own"
                )
        setting_at[location] = name


def _resolved_location(spark: SparkSession, address: str) -> str:
    """The path of a table or file, without links; for a catalog name, the table's location."""
    table = parse_address(address)
    return place_of_address(table.location if table.is_path else _catalog_location(spark, table))


def _catalog_location(spark: SparkSession, table: Address) -> str:
    """The location of a table in the catalog; its name if it does not exist or is a view."""
    try:
        location = catalog_details(spark, table).get(LOCATION)
    except AnalysisException:
        location = None
    return location or table.location


def _refuse_inside_delta(job: str, name: str, location: str) -> None:
    for folder in _folders_above(location):
        if _has_log(folder):
            raise SettingsError(
                f"{job}: {name!r} = {location} lies inside the Delta table {folder}, whose "
                "VACUUM would delete it; give another address"
            )


def _folders_above(location: str) -> Iterator[str]:
    """The folders that contain a path or an address in a store, the nearest first."""
    place = place_of(location)
    root = "" if place is None else place.store
    if place is not None or location.startswith("/"):
        for folder in Path(f"/{location.removeprefix(root).strip('/')}").parents:
            yield f"{root}{folder}".rstrip("/") or "/"


def _has_log(folder: str) -> bool:
    """Whether a folder is a Delta table; False where its store cannot be looked at from here."""
    try:
        system, path = file_system(f"{folder}/_delta_log")
        return bool(system.get_file_info(path).type == pafs.FileType.Directory)
    except (OSError, ValueError):
        return False
