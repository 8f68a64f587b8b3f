"""A table as plain parquet files with a manifest, for readers that know nothing of Delta."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import keys, named
from spark_jobs.core.draws import Draw
from spark_jobs.storage.outputs.folders import n_files_for, write_file
from udfs.file_systems import file_system
from udfs.training.manifest import MANIFEST, Manifest
from udfs.training.snapshot_files import (
    WRITTEN,
    file_of_row,
    manifest_of,
    schema_of,
    write_empty_file,
    write_snapshot_files,
)

_NUMBER = "_file"
_WRITTEN = StructType([StructField(WRITTEN, StringType())])


@dataclass(frozen=True)
class Sizes:
    """Rows of a row group, and those that a file holds at most, but for rare chance."""

    row_group_rows: int
    rows_per_file: int


def write_snapshot(
    rows: DataFrame,
    columns: Sequence[str],
    folder: str,
    *,
    n_rows: int,
    sizes: Sizes,
    draw: Draw,
    source: str,
    version: str,
    notes: Mapping[str, str],
) -> Manifest:
    """Write the columns of all rows into `<folder>/data`, and manifest.json beside it.

    The draw decides which file a row is in, and where in it. `n_rows`: the number of rows, for the
    number of files. `source` and `version`: the table that was read; `notes` go into the schema of
    each file. Without rows there is one file with the columns.
    """
    key, n_files = keys(rows), n_files_for(n_rows, sizes.rows_per_file)
    number = F.floor(draw.step("file").of(*key) * n_files).cast("int")
    place = [draw.of(*key), *map(named, key), F.xxhash64(*map(named, _plain_columns(rows)))]
    values = [named(name).alias(f"c{n}") for n, name in enumerate(columns)]
    ordered = (
        rows.withColumn(_NUMBER, number)
        .repartition(n_files, _NUMBER)
        .sortWithinPartitions(_NUMBER, *place)
        .select(_NUMBER, *values)
    )
    write = write_snapshot_files(folder, columns, sizes.row_group_rows, notes)
    written = map_in_arrow(ordered, write, _WRITTEN).collect()
    files = [file_of_row(row[WRITTEN]) for row in written]
    if not files:
        types = [to_arrow_type(rows.schema[name].dataType) for name in columns]
        files = [write_empty_file(folder, schema_of(columns, types, notes))]
    manifest = manifest_of(
        files,
        _schema_of_file(f"{folder}/{files[0].name}"),
        source=source,
        version=version,
        row_group_rows=sizes.row_group_rows,
    )
    write_file(f"{folder}/{MANIFEST}", manifest.as_json())
    return manifest


def _plain_columns(rows: DataFrame) -> list[str]:
    """The columns that can be hashed, so that rows of one key have an order too."""
    return [
        name for name in rows.columns if "map<" not in rows.schema[name].dataType.simpleString()
    ]


def _schema_of_file(location: str) -> pa.Schema:
    system, path = file_system(location)
    with system.open_input_file(path) as file:
        return pq.read_schema(file)
