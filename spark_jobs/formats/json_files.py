"""Read JSON lines and JSON lists: one pass infers the schema, another reads the records in it."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DecimalType,
    DoubleType,
    LongType,
    NullType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.arrow_mapping import map_in_arrow_unchecked
from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.folder_columns import file_id, file_ids
from spark_jobs.formats.text_files import text_lines
from spark_jobs.ingest.source import FAULT, FILE, LINE, Part, Source, positional_name
from spark_jobs.storage.batches import ROWS_AT_ONCE, rows_that_fit
from spark_jobs.storage.file_lists import LITERAL_PATHS, ListedFile
from udfs import json_rows as worker
from udfs.arrow import BatchFunction
from udfs.file_systems import has_file_system
from udfs.json_items import ItemForm
from udfs.json_kinds import Kinds

_LOOK_COLUMNS = StructType(
    [
        StructField(worker.FILE, LongType()),
        StructField(worker.KINDS, StringType()),
        StructField(worker.ROWS, LongType()),
    ]
)

_MOST_BYTES_OF_VALUE = 2**31 - 1  # in Spark

# (columns of a file, its path) -> columns that must hold text, each with the fault of a record
# whose value there is not a string. Raises MissingColumnError if a needed column is absent.
TextColumns = Callable[[Sequence[str], str], Mapping[str, str]]


def read_json_files(
    spark: SparkSession,
    lines: Sequence[ListedFile],
    lists: Sequence[ListedFile],
    form: ItemForm,
    text_columns_of: TextColumns,
) -> Source:
    """Read the records of all files.

    `lines`: files with one record a line; `lists`: files that are a JSON list of items.
    `text_columns_of` is called with each file's own columns, so that an error names the file. Files
    with the same text columns become one part. A field that holds whole and floating numbers
    becomes double; one with other mixtures of types becomes text.
    """
    looks = _look_at_files(spark, lines, lists, form)
    kinds_by_field = _merge_kinds([looks[path][0] for path in sorted(looks)])
    groups = _by_text_columns(looks, text_columns_of)
    parts = []
    for texts, paths in groups.items():
        fields = _merge_kinds([looks[path][0] for path in sorted(paths) if path in looks])
        columns = {name: _spark_type(kinds_by_field[name]) for name in fields}
        for files, read_stored, read_records in (
            (lines, _read_lines, worker.read_lines),
            (lists, _read_contents, worker.read_lists),
        ):
            group_files = [file for file in files if file.path in paths or not looks]
            if group_files:
                stored = read_stored(spark, group_files)
                parts.append(_part(stored, read_records, form, columns, dict(texts), group_files))
    text_columns = {name for texts in groups for name, _ in texts}
    notes = [
        f"field {name!r} holds {' and '.join(sorts)}: taken as text, as JSON writes it"
        for name, kinds in kinds_by_field.items()
        if len(sorts := _value_sorts(kinds)) > 1 and name not in text_columns
    ]
    n_rows = sum(n for _, n in looks.values())
    is_read_by_spark = bool(lists) and not has_file_system(lists[0].path)
    max_rows = 1 if is_read_by_spark else _max_records_per_batch([*lines, *lists], looks)
    return Source(parts, n_rows=n_rows, notes=notes, rows_at_once=max_rows)


def _look_at_files(
    spark: SparkSession, lines: Sequence[ListedFile], lists: Sequence[ListedFile], form: ItemForm
) -> dict[str, tuple[Kinds, int]]:
    """Path -> (kinds of values seen in each field, number of records)."""
    path_by_id = _paths_by_id(spark, [*lines, *lists])
    looks: dict[str, tuple[Kinds, int]] = {}
    for files, read_stored, look in (
        (lines, _read_lines, worker.look_at_lines),
        (lists, _read_contents, worker.look_at_lists),
    ):
        if files:
            rows = map_in_arrow_unchecked(
                read_stored(spark, files), look(form), _LOOK_COLUMNS
            ).collect()
            for row in rows:
                path = path_by_id[row[worker.FILE]]
                kinds, n = looks.get(path, (Kinds(fields={}), 0))
                kinds.merge(Kinds.from_json(json.loads(row[worker.KINDS])), most=None)
                looks[path] = (kinds, n + row[worker.ROWS])
    return looks


def _paths_by_id(spark: SparkSession, files: Sequence[ListedFile]) -> dict[int, str]:
    """Path of each file by its FILE, the hash of its uri."""
    frame = spark.createDataFrame(
        [(file.uri, file.path) for file in files], "uri string, path string"
    )
    return {row[0]: row[1] for row in frame.select(F.xxhash64("uri"), "path").collect()}


def _read_lines(spark: SparkSession, files: Sequence[ListedFile]) -> DataFrame:
    return text_lines(spark, files).select("value", file_id().alias(FILE))


def _read_contents(spark: SparkSession, files: Sequence[ListedFile]) -> DataFrame:
    """Path, FILE and content; null content where workers can open the file, as they can for most.

    InputDataError for a file that they cannot open and that Spark's binaryFile reader, which makes
    it one value, does not take.
    """
    if has_file_system(files[0].path):
        no_content = F.lit(None).cast("binary").alias("content")
        return file_ids(spark, files).select("*", no_content)
    for file in files:
        if file.size > _MOST_BYTES_OF_VALUE:
            raise InputDataError(
                f"{file.path}: is a JSON list of more than 2 GiB where workers cannot open files; "
                "write one record a line"
            )
    reader = spark.read.options(**LITERAL_PATHS).format("binaryFile")
    rows = reader.load([file.path for file in files])
    return rows.select("path", file_id().alias(FILE), "content")


def _max_records_per_batch(
    files: Sequence[ListedFile], looks: Mapping[str, tuple[Kinds, int]]
) -> int:
    """Records that a batch may have, by the file with the longest records on average."""
    limits = [
        rows_that_fit(file.size / looks[file.path][1], is_compressed=file.is_compressed)
        for file in files
        if file.path in looks and looks[file.path][1]
    ]
    return min(limits, default=ROWS_AT_ONCE)


def _by_text_columns(
    looks: Mapping[str, tuple[Kinds, int]], text_columns_of: TextColumns
) -> dict[tuple[tuple[str, str], ...], set[str]]:
    """Paths of the files by their text columns; files without a valid record join the first."""
    groups: dict[tuple[tuple[str, str], ...], set[str]] = {}
    paths_without_fields = set()
    for path, (kinds, _) in sorted(looks.items()):
        if not kinds.fields:
            paths_without_fields.add(path)
            continue
        texts = text_columns_of([*kinds.fields], path)
        groups.setdefault(tuple(texts.items()), set()).add(path)
    if paths_without_fields or not groups:
        groups.setdefault(next(iter(groups), ()), set()).update(paths_without_fields)
    return groups


def _merge_kinds(kinds_of_files: Sequence[Kinds]) -> dict[str, Kinds]:
    """Kinds of values of each field over all files."""

    def merge(merged: Kinds, kinds: Kinds) -> Kinds:
        merged.merge(kinds, most=None)
        return merged

    return reduce(merge, kinds_of_files, Kinds(fields={})).fields or {}


def _part(
    stored: DataFrame,
    read: Callable[[ItemForm, worker.Layout], BatchFunction],
    form: ItemForm,
    columns: Mapping[str, DataType],
    texts: Mapping[str, str],
    files: Sequence[ListedFile],
) -> Part:
    """The part of files with the same text columns.

    `stored`: the files' lines or contents. `columns`: field -> type; `texts`: text field -> fault.
    """
    types = {**columns, **{name: StringType() for name in texts}}
    names = [positional_name(k) for k in range(len(types))]
    schema = StructType(
        [
            *(StructField(name, type_) for name, type_ in zip(names, types.values(), strict=True)),
            StructField(LINE, BinaryType()),
            StructField(FAULT, StringType()),
            StructField(FILE, LongType()),
        ]
    )
    arrow_types: dict[str, pa.DataType] = {
        name: to_arrow_type(type_) for name, type_ in types.items()
    }
    rows = map_in_arrow_unchecked(stored, read(form, worker.Layout(arrow_types, texts)), schema)
    # The cast does not check the bytes: invalid UTF-8 stays as it is.
    frame = rows.withColumn(LINE, F.col(LINE).cast("string"))
    return Part(frame, tuple(types), tuple(file.path for file in files))


def _value_sorts(kinds: Kinds) -> list[str]:
    """Sorted names of the sorts of values; if there are several, only text can hold them all."""
    number_kinds = {"int", "wide", "big", "huge", "double"}
    scalars = kinds.scalars - {"null", "nan"}
    sorts = {"numbers" if kind in number_kinds else f"{kind}s" for kind in scalars}
    lists = {"lists"} if kinds.items is not None else set()
    objects = {"objects"} if kinds.fields is not None else set()
    return sorted(sorts | lists | objects)


def _spark_type(kinds: Kinds) -> DataType:
    """The Spark type that holds all values seen in a field; for mixtures text, written as JSON."""
    scalars = kinds.scalars - {"null", "nan"}
    n_sorts = bool(scalars) + (kinds.items is not None) + (kinds.fields is not None)
    if n_sorts == 0:
        return DoubleType() if "nan" in kinds.scalars else NullType()
    if n_sorts > 1:
        return StringType()
    if kinds.items is not None:
        return ArrayType(_spark_type(kinds.items))
    if kinds.fields is not None:
        # Sorted by name, since the order in which tasks met the fields varies between runs.
        fields = [
            StructField(name, _spark_type(kinds.fields[name])) for name in sorted(kinds.fields)
        ]
        return StructType(fields) if fields else StringType()
    return _scalar_type(scalars, has_nan="nan" in kinds.scalars)


def _scalar_type(scalars: set[str], *, has_nan: bool) -> DataType:
    if scalars == {"boolean"}:
        return StringType() if has_nan else BooleanType()
    if scalars <= {"int", "double"} and (has_nan or "double" in scalars):
        return (
            DoubleType()
        )  # wider whole numbers would lose digits, so with fractions they are text
    if scalars <= {"int", "wide"}:
        return StringType() if has_nan else LongType()
    is_whole = scalars <= {"int", "wide", "big"} and not has_nan
    return DecimalType(38, 0) if is_whole else StringType()
