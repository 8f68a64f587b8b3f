"""A table as plain parquet files with a manifest, for readers that know nothing of Delta."""

from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import StringType, StructField, StructType

from spark_jobs.core import schemas
from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import free_name, keys, named, require_columns
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.redaction import redacted
from spark_jobs.core.row_counts import count_rows
from spark_jobs.formats.snapshot_settings import SnapshotSettings
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.outputs.folders import n_files_for, refuse_missing_files, write_file
from spark_jobs.storage.run import Counts, Run
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

_WRITTEN = StructType([StructField(WRITTEN, StringType())])


def export_snapshot(
    run: Run,
    settings: SnapshotSettings,
    *,
    notes: Callable[[pa.Schema], Mapping[str, str]],
    finish: Callable[[str, Manifest], object],
) -> Counts:
    """Write all rows of the table, or nothing.

    `notes`: of a schema, what goes into that of each file. `finish`: writes what stands beside the
    files into the folder, of which it gets the manifest.
    """
    rows, called = run.read(settings.input, schemas.EMPTY), f"table {settings.input}"
    require_columns(rows, called, keys(rows)[:1])
    columns = [*dict.fromkeys(settings.columns or rows.columns)]
    require_columns(rows, called, columns)
    types = [to_arrow_type(rows.schema[name].dataType) for name in columns]
    schema = schema_of(columns, types, {})
    schema = schema_of(columns, types, notes(schema))
    n_rows, metadata = count_rows(rows), run.output_metadata(settings.output)
    with (
        batches_that_fit(rows),
        replaced_folder(settings.output, metadata, content=settings.folder_content()) as folder,
    ):
        draw = run.draw("export-snapshot", settings.seed)
        manifest = _write(run, settings, rows, schema, folder, n_rows=n_rows, draw=draw)
        if manifest.rows != n_rows:
            raise InputDataError(
                f"{called} has {n_rows:,} rows, but {manifest.rows:,} were read: it changed while "
                "it was read; run again"
            )
        finish(folder, manifest)
    n_groups = sum(len(file.row_groups) for file in manifest.files)
    files = {"files": len(manifest.files), "row_groups": n_groups}
    return {"rows_in": n_rows, "rows": manifest.rows, **files}


def _write(
    run: Run,
    settings: SnapshotSettings,
    rows: DataFrame,
    schema: pa.Schema,
    folder: str,
    *,
    n_rows: int,
    draw: Draw,
) -> Manifest:
    """Write `<folder>/data`, and manifest.json beside it.

    The draw decides which file a row is in, and where in it. Without rows there is one file with
    the columns.
    """
    columns, notes = schema.names, _texts(schema.metadata)
    key, n_files = keys(rows), n_files_for(n_rows, settings.rows_per_file)
    number = F.floor(draw.step("file").of(*key) * n_files).cast("int")
    number_name = free_name(rows, "_file")
    place = [draw.of(*key), *map(named, key), F.xxhash64(*map(named, _plain_columns(rows)))]
    values = [named(name).alias(f"c{n}") for n, name in enumerate(columns)]
    ordered = (
        rows.withColumn(number_name, number)
        .repartition(n_files, number_name)
        .sortWithinPartitions(number_name, *place)
        .select(number_name, *values)
    )
    write = write_snapshot_files(folder, columns, settings.row_group_rows, notes)
    written = map_in_arrow(ordered, write, _WRITTEN).collect()
    files = [file_of_row(row[WRITTEN]) for row in written]
    if not files:
        files = [write_empty_file(folder, schema)]
    refuse_missing_files(folder, {file.name: file.bytes for file in files})
    manifest = manifest_of(
        files,
        _schema_of_file(f"{folder}/{files[0].name}"),
        source=redacted(settings.input),
        version=run.inputs[settings.input],
        row_group_rows=settings.row_group_rows,
    )
    write_file(f"{folder}/{MANIFEST}", manifest.as_json())
    return manifest


def _texts(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in (metadata or {}).items()}


def _plain_columns(rows: DataFrame) -> list[str]:
    """The columns that can be hashed, so that rows of one key have an order too."""
    return [
        name for name in rows.columns if "map<" not in rows.schema[name].dataType.simpleString()
    ]


def _schema_of_file(location: str) -> pa.Schema:
    system, path = file_system(location)
    with system.open_input_file(path) as file:
        return pq.read_schema(file)
