"""Where outputs lie beside inputs: no run may write over what it reads, however it is spelt."""

import os
from pathlib import Path

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from spark_jobs.core.addresses import Address, parse_address
from spark_jobs.core.errors import SettingsError
from spark_jobs.core.settings import Settings
from udfs.json_files import plain_path


def refuse_overlapping_outputs(spark: SparkSession, job: str, settings: Settings) -> None:
    """Refuse an output at the place of an input or of another output: SettingsError names both.

    Links, schemes and names of the catalog are resolved. Nor may a `parquet:` output hold an input,
    whose files it would replace, or any output lie inside a Delta table, whose VACUUM takes it for
    rubbish, or inside an input's folder, of which the next run would read it.
    """
    outputs = settings.addresses("output")
    seen: dict[str, str] = {}
    for name, address in {**settings.addresses("input"), **outputs}.items():
        place = _place(spark, address)
        if name in outputs:
            _refuse_inside_delta(job, name, place)
            holding = [other for other in seen if place.startswith(f"{other}/")]
            if holding and seen[holding[0]] not in outputs:
                raise SettingsError(
                    f"{job}: {name!r} = {place} lies inside {seen[holding[0]]!r}, {holding[0]}, "
                    "whose next run would read it; give an address outside of that folder"
                )
            inside = [other for other in seen if other.startswith(f"{place}/")]
            if parse_address(address).format == "parquet" and inside:
                raise SettingsError(
                    f"{job}: {seen[inside[0]]!r} lies inside {name!r}, {place}, whose files are "
                    "replaced; an output needs an address of its own"
                )
            if place in seen:
                raise SettingsError(
                    f"{job}: {name!r} and {seen[place]!r} are both {place}; "
                    "an output needs an address of its own"
                )
        seen[place] = name


def _place(spark: SparkSession, address: str) -> str:
    """A path without links, or the address of a table; of a name in the catalog, where it lies."""
    table = parse_address(address)
    location = table.location if table.is_path else _catalog_location(spark, table)
    local = plain_path(location)
    return os.path.realpath(local) if local.startswith("/") else location.rstrip("/")


def _catalog_location(spark: SparkSession, table: Address) -> str:
    try:
        (row,) = spark.sql(f"DESCRIBE DETAIL {table.sql_name}").select("location").collect()
    except AnalysisException:  # not there, or no Delta table
        return table.location.lower().removeprefix("spark_catalog.")
    return str(row["location"])


def _refuse_inside_delta(job: str, name: str, place: str) -> None:
    if place.startswith("/"):
        for folder in Path(place).parents:
            if (folder / "_delta_log").is_dir():
                raise SettingsError(
                    f"{job}: {name!r} = {place} lies inside the Delta table {folder}, whose VACUUM "
                    "would delete it; give another address"
                )
