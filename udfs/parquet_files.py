"""Parquet files looked at by their footers, and read where Spark has no way to."""

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pat

from udfs.arrow import Batches, BatchFunction
from udfs.json_files import file_system
from udfs.opened_files import shown

PATH, FILE, SCHEMA, IS_PLAIN, ROWS, FAULT = "path", "file", "schema", "is_plain", "rows", "fault"
_BATCH_ROWS = 10_000
_NOT_IN_SPARK = {"BROTLI", "LZO"}  # codecs


def look_at_footers(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: paths in; path, schema, is_plain, rows, fault out.

    schema: as Arrow writes it. is_plain: whether Spark reads the file as it is. fault: why it is no
    parquet file; it has nothing else then.
    """
    kinds = [pa.string(), pa.binary(), pa.bool_(), pa.int64(), pa.string()]
    for batch in batches:
        looks = [_look(path) for path in batch.column(PATH).to_pylist()]
        by_column = zip(zip(*looks, strict=True), kinds, strict=True)
        columns = [pa.array(values, kind) for values, kind in by_column]
        yield pa.RecordBatch.from_arrays(columns, [PATH, SCHEMA, IS_PLAIN, ROWS, FAULT])


def _look(path: str) -> tuple[str, bytes | None, bool | None, int | None, str | None]:
    try:
        system, place = file_system(path)
        footer = pq.read_metadata(place, filesystem=system)
        read = footer.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as fault:
        is_none = isinstance(fault, pa.ArrowException)
        cause = "it is corrupt or no parquet file " if is_none else ""
        reason = " ".join(str(fault).split())[:120]
        return path, None, None, None, f"{shown(path)}: cannot be read, {cause}({reason})"
    schema = pa.schema(_fields(footer, read))
    content = schema.serialize().to_pybytes()
    return path, content, _is_for_spark(footer, schema), footer.num_rows, None


def _fields(footer: pq.FileMetaData, schema: pa.Schema) -> list[pa.Field]:
    """The columns, those of INT96 as the instants that Spark writes so; Arrow takes them for local
    times in nanoseconds, which hold no year before 1678.
    """
    old = {
        footer.schema.column(k).path.partition(".")[0]
        for k in range(len(footer.schema.names))
        if footer.schema.column(k).physical_type == "INT96"
    }
    instant = pa.timestamp("us", "UTC")
    return [
        pa.field(f.name, _as_instants(f.type, instant) if f.name in old else f.type) for f in schema
    ]


def _as_instants(kind: pa.DataType, instant: pa.DataType) -> pa.DataType:
    if pat.is_timestamp(kind):
        return instant
    if pat.is_struct(kind):
        fields = (kind.field(k) for k in range(kind.num_fields))
        return pa.struct([pa.field(f.name, _as_instants(f.type, instant)) for f in fields])
    if pat.is_map(kind):
        return pa.map_(kind.key_type, _as_instants(kind.item_type, instant))
    return pa.list_(_as_instants(kind.value_type, instant)) if _is_nested(kind) else kind


def _is_for_spark(footer: pq.FileMetaData, schema: pa.Schema) -> bool:
    """Whether Spark reads every column as it is, under names that it tells apart."""
    names = Counter(name.lower() for name in schema.names)
    if any(n > 1 for n in names.values()) or not all(_is_plain(f.type) for f in schema):
        return False
    groups = (footer.row_group(k) for k in range(footer.num_row_groups))
    codecs = {g.column(k).compression for g in groups for k in range(g.num_columns)}
    return not codecs & _NOT_IN_SPARK


def _is_nested(kind: pa.DataType) -> bool:
    return bool(pat.is_nested(kind) or pat.is_fixed_size_list(kind))


def _is_plain(kind: pa.DataType) -> bool:
    if _is_nested(kind):
        inside = [kind.field(k) for k in range(kind.num_fields)]
        names = Counter(field.name.lower() for field in inside)
        return all(n == 1 for n in names.values()) and all(_is_plain(f.type) for f in inside)
    if pat.is_timestamp(kind):
        return kind.unit in ("ms", "us")
    if pat.is_dictionary(kind):
        return _is_plain(kind.value_type)
    is_other = pat.is_null(kind) or pat.is_time(kind) or pat.is_float16(kind)
    return not (is_other or pat.is_uint64(kind) or pat.is_duration(kind) or pat.is_decimal256(kind))


def schema_for_spark(content: bytes) -> tuple[list[str], pa.Schema]:
    """A file's column names, and the schema in which `read_parquet` gives them, by place."""
    read = pa.ipc.read_schema(pa.py_buffer(content))
    fields = [pa.field(str(k), type_for_spark(field.type)) for k, field in enumerate(read)]
    return read.names, pa.schema(fields)


def read_parquet(schema: pa.Schema) -> BatchFunction:
    """The function of mapInArrow: path and file in; the rows in `schema`, and file, out."""
    with_file = schema.append(pa.field(FILE, pa.int64()))

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            paths = batch.column(PATH).to_pylist()
            for path, file in zip(paths, batch.column(FILE).to_pylist(), strict=True):
                system, place = file_system(path)
                with system.open_input_file(place) as opened:
                    stored = pq.ParquetFile(opened, coerce_int96_timestamp_unit="us")
                    for rows in stored.iter_batches(_BATCH_ROWS):
                        columns = [_cast(c, f.type) for c, f in zip(rows, schema, strict=True)]
                        columns.append(pa.array([file] * rows.num_rows, pa.int64()))
                        yield pa.RecordBatch.from_arrays(columns, schema=with_file)

    return read


def type_for_spark(kind: pa.DataType) -> pa.DataType:
    """The nearest type that Spark takes: instants in microseconds, uint64 as decimal."""
    if pat.is_dictionary(kind):
        return type_for_spark(kind.value_type)
    if pat.is_struct(kind):
        fields = (kind.field(k) for k in range(kind.num_fields))
        return pa.struct([pa.field(f.name, type_for_spark(f.type)) for f in fields])
    if pat.is_map(kind):
        return pa.map_(type_for_spark(kind.key_type), type_for_spark(kind.item_type))
    if _is_nested(kind):
        return pa.list_(type_for_spark(kind.value_type))
    if pat.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pat.is_uint64(kind):
        return pa.decimal128(20, 0)
    if pat.is_unsigned_integer(kind):
        return pa.int64() if kind.bit_width == 32 else pa.int32()
    if pat.is_float16(kind):
        return pa.float32()
    if pat.is_large_binary(kind) or pat.is_fixed_size_binary(kind):
        return pa.binary()
    is_text = pat.is_time(kind) or pat.is_large_string(kind)
    return pa.string() if is_text or pat.is_duration(kind) or pat.is_decimal256(kind) else kind


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if pat.is_dictionary(column.type):
        return _cast(column.dictionary_decode(), kind)
    try:
        return pc.cast(column, kind, safe=not pat.is_timestamp(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # such as uint64 to decimal
        values = column.to_pylist()
        if pat.is_string(kind):
            values = [None if value is None else str(value) for value in values]
        return pa.array(values, kind)
