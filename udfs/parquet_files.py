"""Inspect parquet files by their footers, and read those that Spark cannot read."""

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pat

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import file_system
from udfs.opened_files import shown_path

PATH, FILE, SCHEMA, IS_PLAIN, ROWS, FAULT = "path", "file", "schema", "is_plain", "rows", "fault"
_BATCH_ROWS = 10_000
_CODECS_NOT_IN_SPARK = {"BROTLI", "LZO"}


def look_at_footers(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: from paths to path, schema, is_plain, rows, fault.

    schema: Arrow's serialised schema. is_plain: whether Spark reads the file as it is. fault: why
    it cannot be read as parquet; schema, is_plain and rows are null then.
    """
    types = [pa.string(), pa.binary(), pa.bool_(), pa.int64(), pa.string()]
    for batch in batches:
        looks = [_look(path) for path in batch.column(PATH).to_pylist()]
        by_column = zip(zip(*looks, strict=True), types, strict=True)
        columns = [pa.array(values, data_type) for values, data_type in by_column]
        yield pa.RecordBatch.from_arrays(columns, [PATH, SCHEMA, IS_PLAIN, ROWS, FAULT])


def _look(path: str) -> tuple[str, bytes | None, bool | None, int | None, str | None]:
    try:
        system, system_path = file_system(path)
        footer = pq.read_metadata(system_path, filesystem=system)
        arrow_schema = footer.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as fault:
        is_no_parquet = isinstance(fault, pa.ArrowException)
        cause = "it is corrupt or no parquet file " if is_no_parquet else ""
        reason = " ".join(str(fault).split())[:120]
        return path, None, None, None, f"{shown_path(path)}: cannot be read, {cause}({reason})"
    schema = pa.schema(_fields(footer, arrow_schema))
    content = schema.serialize().to_pybytes()
    return path, content, _is_for_spark(footer, schema), footer.num_rows, None


def _fields(footer: pq.FileMetaData, schema: pa.Schema) -> list[pa.Field]:
    """The fields, with INT96 columns as timestamps in UTC, which is what Spark writes as INT96.

    Arrow reads INT96 as local time in nanoseconds, which cannot hold years before 1678.
    """
    int96_columns = {
        footer.schema.column(k).path.partition(".")[0]
        for k in range(len(footer.schema.names))
        if footer.schema.column(k).physical_type == "INT96"
    }
    instant = pa.timestamp("us", "UTC")
    return [
        pa.field(f.name, _as_instants(f.type, instant) if f.name in int96_columns else f.type)
        for f in schema
    ]


def _as_instants(data_type: pa.DataType, instant: pa.DataType) -> pa.DataType:
    if pat.is_timestamp(data_type):
        return instant
    if pat.is_struct(data_type):
        fields = (data_type.field(k) for k in range(data_type.num_fields))
        return pa.struct([pa.field(f.name, _as_instants(f.type, instant)) for f in fields])
    if pat.is_map(data_type):
        return pa.map_(data_type.key_type, _as_instants(data_type.item_type, instant))
    return (
        pa.list_(_as_instants(data_type.value_type, instant))
        if _is_nested(data_type)
        else data_type
    )


def _is_for_spark(footer: pq.FileMetaData, schema: pa.Schema) -> bool:
    """Whether Spark can read all columns as they are; its names ignore case."""
    names = Counter(name.lower() for name in schema.names)
    if any(n > 1 for n in names.values()) or not all(_is_plain(f.type) for f in schema):
        return False
    groups = (footer.row_group(k) for k in range(footer.num_row_groups))
    codecs = {g.column(k).compression for g in groups for k in range(g.num_columns)}
    return not codecs & _CODECS_NOT_IN_SPARK


def _is_nested(data_type: pa.DataType) -> bool:
    return bool(pat.is_nested(data_type) or pat.is_fixed_size_list(data_type))


def _is_plain(data_type: pa.DataType) -> bool:
    if _is_nested(data_type):
        fields = [data_type.field(k) for k in range(data_type.num_fields)]
        names = Counter(field.name.lower() for field in fields)
        return all(n == 1 for n in names.values()) and all(_is_plain(f.type) for f in fields)
    if pat.is_timestamp(data_type):
        return data_type.unit in ("ms", "us")
    if pat.is_dictionary(data_type):
        return _is_plain(data_type.value_type)
    is_unsupported = pat.is_null(data_type) or pat.is_time(data_type) or pat.is_float16(data_type)
    return not (
        is_unsupported
        or pat.is_uint64(data_type)
        or pat.is_duration(data_type)
        or pat.is_decimal256(data_type)
    )


def schema_for_spark(serialised: bytes) -> tuple[list[str], pa.Schema]:
    """A file's column names, and the schema with Spark's types that `read_parquet` takes for it.

    `serialised`: the file's schema from `look_at_footers`. The columns of the returned schema are
    named by position ("0", "1", ...), since stored names may differ in case alone.
    """
    stored = pa.ipc.read_schema(pa.py_buffer(serialised))
    fields = [pa.field(str(k), type_for_spark(field.type)) for k, field in enumerate(stored)]
    return stored.names, pa.schema(fields)


def read_parquet(schema: pa.Schema) -> BatchFunction:
    """The mapInArrow function from path, file to the rows of the files in `schema`, and file."""
    with_file = schema.append(pa.field(FILE, pa.int64()))

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            paths = batch.column(PATH).to_pylist()
            for path, file in zip(paths, batch.column(FILE).to_pylist(), strict=True):
                system, system_path = file_system(path)
                with system.open_input_file(system_path) as opened:
                    stored = pq.ParquetFile(opened, coerce_int96_timestamp_unit="us")
                    for rows in stored.iter_batches(_BATCH_ROWS):
                        columns = [_cast(c, f.type) for c, f in zip(rows, schema, strict=True)]
                        columns.append(pa.array([file] * rows.num_rows, pa.int64()))
                        yield pa.RecordBatch.from_arrays(columns, schema=with_file)

    return read


def type_for_spark(data_type: pa.DataType) -> pa.DataType:
    """The closest type that Spark has: timestamps in microseconds, uint64 as decimal."""
    if pat.is_dictionary(data_type):
        return type_for_spark(data_type.value_type)
    if pat.is_struct(data_type):
        fields = (data_type.field(k) for k in range(data_type.num_fields))
        return pa.struct([pa.field(f.name, type_for_spark(f.type)) for f in fields])
    if pat.is_map(data_type):
        return pa.map_(type_for_spark(data_type.key_type), type_for_spark(data_type.item_type))
    if _is_nested(data_type):
        return pa.list_(type_for_spark(data_type.value_type))
    if pat.is_timestamp(data_type):
        return pa.timestamp("us", data_type.tz)
    if pat.is_uint64(data_type):
        return pa.decimal128(20, 0)
    if pat.is_unsigned_integer(data_type):
        return pa.int64() if data_type.bit_width == 32 else pa.int32()
    if pat.is_float16(data_type):
        return pa.float32()
    if pat.is_large_binary(data_type) or pat.is_fixed_size_binary(data_type):
        return pa.binary()
    is_text = pat.is_time(data_type) or pat.is_large_string(data_type)
    return (
        pa.string()
        if is_text or pat.is_duration(data_type) or pat.is_decimal256(data_type)
        else data_type
    )


def _cast(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    if column.type == data_type:
        return column
    if pat.is_dictionary(column.type):
        return _cast(column.dictionary_decode(), data_type)
    try:
        return pc.cast(column, data_type, safe=not pat.is_timestamp(data_type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # such as uint64 to decimal
        values = column.to_pylist()
        if pat.is_string(data_type):
            values = [None if value is None else str(value) for value in values]
        return pa.array(values, data_type)
