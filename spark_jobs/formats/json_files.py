"""JSON lines and JSON lists: a look at every record, then the same records in one schema."""

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
from spark_jobs.formats.folder_columns import file_id
from spark_jobs.formats.text_files import text_lines
from spark_jobs.ingest.source import FAULT, FILE, LINE, Part, Source, positional_name
from spark_jobs.storage.batches import ROWS_AT_ONCE, rows_that_fit
from spark_jobs.storage.file_lists import LITERAL_PATHS, ListedFile
from udfs import json_rows as worker
from udfs.arrow import BatchFunction
from udfs.json_items import ItemForm
from udfs.json_kinds import Kinds

_LOOKS = StructType(
    [
        StructField(worker.FILE, LongType()),
        StructField(worker.KINDS, StringType()),
        StructField(worker.ROWS, LongType()),
    ]
)

# A file's columns and path -> those that must hold text, with the fault of a record where one does
# not; raises MissingColumnError where a needed one is absent.
TextColumns = Callable[[Sequence[str], str], Mapping[str, str]]


def read_json_files(
    spark: SparkSession,
    lines: Sequence[ListedFile],
    lists: Sequence[ListedFile],
    form: ItemForm,
    text_columns_of: TextColumns,
) -> Source:
    """The records of all files.

    `lines`: files of a record a line, `lists`: those of a list of items each. `text_columns_of` is asked
    for each file's own columns, so that one without a needed column is told by its name; files that
    call those columns alike become one part. Of a field that is of several kinds whole and floating
    numbers become double, all else text.
    """
    ids = _ids(spark, [*lines, *lists])
    looks: dict[str, tuple[Kinds, int]] = {}
    for files, frame, look in (
        (lines, _lines, worker.look_at_lines),
        (lists, _contents, worker.look_at_lists),
    ):
        if files:
            rows = map_in_arrow_unchecked(frame(spark, files), look(form), _LOOKS).collect()
            for row in rows:
                path = ids[row[worker.FILE]]
                kinds, n = looks.get(path, (Kinds(fields={}), 0))
                kinds.merge(Kinds.of_json(json.loads(row[worker.KINDS])), most=None)
                looks[path] = (kinds, n + row[worker.ROWS])
    every = _merged([looks[path][0] for path in sorted(looks)])
    groups = _by_text_columns(looks, text_columns_of)
    parts = []
    for texts, paths in groups.items():
        fields = _merged([looks[path][0] for path in sorted(paths) if path in looks])
        columns = {name: _type(every[name]) for name in fields}
        for files, frame, read in (
            (lines, _lines, worker.read_lines),
            (lists, _contents, worker.read_lists),
        ):
            some = [file for file in files if file.path in paths or not looks]
            if some:
                stored = frame(spark, some)
                parts.append(_part(stored, read, form, columns, dict(texts), some))
    texts_of_all = {name for texts in groups for name, _ in texts}
    notes = [
        f"field {name!r} holds {' and '.join(sorts)}: taken as text, as JSON writes it"
        for name, inside in every.items()
        if len(sorts := _sorts(inside)) > 1 and name not in texts_of_all
    ]
    n_rows = sum(n for _, n in looks.values())
    at_once = _at_once(lines, looks) if lines else 1  # of files of a list, each handed on whole
    return Source(parts, n_rows=n_rows, notes=notes, rows_at_once=at_once)


def _ids(spark: SparkSession, files: Sequence[ListedFile]) -> dict[int, str]:
    """FILE -> path."""
    frame = spark.createDataFrame(
        [(file.uri, file.path) for file in files], "uri string, path string"
    )
    return {row[0]: row[1] for row in frame.select(F.xxhash64("uri"), "path").collect()}


def _lines(spark: SparkSession, files: Sequence[ListedFile]) -> DataFrame:
    return text_lines(spark, files).select("value", file_id().alias(FILE))


def _contents(spark: SparkSession, files: Sequence[ListedFile]) -> DataFrame:
    reader = spark.read.options(**LITERAL_PATHS).format("binaryFile")
    rows = reader.load([file.path for file in files])
    return rows.select("path", file_id().alias(FILE), "content")


def _at_once(files: Sequence[ListedFile], looks: Mapping[str, tuple[Kinds, int]]) -> int:
    """How many records of the file with the longest ones, on average, a batch may have."""
    numbers = [
        rows_that_fit(file.size / looks[file.path][1], is_compressed=file.is_compressed)
        for file in files
        if file.path in looks and looks[file.path][1]
    ]
    return min(numbers, default=ROWS_AT_ONCE)


def _by_text_columns(
    looks: Mapping[str, tuple[Kinds, int]], text_columns_of: TextColumns
) -> dict[tuple[tuple[str, str], ...], set[str]]:
    """Text columns -> the paths of files that have them; files without a sound record go along."""
    groups: dict[tuple[tuple[str, str], ...], set[str]] = {}
    silent = set()
    for path, (kinds, _) in sorted(looks.items()):
        if not kinds.fields:
            silent.add(path)
            continue
        texts = text_columns_of([*kinds.fields], path)
        groups.setdefault(tuple(texts.items()), set()).add(path)
    if silent or not groups:
        groups.setdefault(next(iter(groups), ()), set()).update(silent)
    return groups


def _merged(kinds: Sequence[Kinds]) -> dict[str, Kinds]:
    """Field -> what all files hold there."""

    def merged(one: Kinds, other: Kinds) -> Kinds:
        one.merge(other, most=None)
        return one

    return reduce(merged, kinds, Kinds(fields={})).fields or {}


def _part(
    stored: DataFrame,
    read: Callable[[ItemForm, worker.Layout], BatchFunction],
    form: ItemForm,
    columns: Mapping[str, DataType],
    texts: Mapping[str, str],
    files: Sequence[ListedFile],
) -> Part:
    kinds = {**columns, **{name: StringType() for name in texts}}
    places = [positional_name(k) for k in range(len(kinds))]
    schema = StructType(
        [
            *(StructField(p, kind) for p, kind in zip(places, kinds.values(), strict=True)),
            StructField(LINE, BinaryType()),
            StructField(FAULT, StringType()),
            StructField(FILE, LongType()),
        ]
    )
    arrow: dict[str, pa.DataType] = {name: to_arrow_type(kind) for name, kind in kinds.items()}
    rows = map_in_arrow_unchecked(stored, read(form, worker.Layout(arrow, texts)), schema)
    # A cast of bytes checks nothing: what is no UTF-8 stays as it is.
    frame = rows.withColumn(LINE, F.col(LINE).cast("string"))
    return Part(frame, tuple(kinds), tuple(file.path for file in files))


def _sorts(kinds: Kinds) -> list[str]:
    """The sorts of values that no type but text holds together, sorted."""
    numbers = {"int", "wide", "big", "huge", "double"}
    scalars = kinds.scalars - {"null", "nan"}
    sorts = {"numbers" if kind in numbers else f"{kind}s" for kind in scalars}
    lists = {"lists"} if kinds.items is not None else set()
    objects = {"objects"} if kinds.fields is not None else set()
    return sorted(sorts | lists | objects)


def _type(kinds: Kinds) -> DataType:
    """The type that holds all values seen at a place; text, as JSON, for mixtures."""
    scalars = kinds.scalars - {"null", "nan"}
    n_sorts = bool(scalars) + (kinds.items is not None) + (kinds.fields is not None)
    if n_sorts == 0:
        return DoubleType() if "nan" in kinds.scalars else NullType()
    if n_sorts > 1:
        return StringType()
    if kinds.items is not None:
        return ArrayType(_type(kinds.items))
    if kinds.fields is not None:
        # By name: in which order tasks have seen them is chance.
        fields = [StructField(name, _type(kinds.fields[name])) for name in sorted(kinds.fields)]
        return StructType(fields) if fields else StringType()
    return _scalar_type(scalars, has_nan="nan" in kinds.scalars)


def _scalar_type(scalars: set[str], *, has_nan: bool) -> DataType:
    if scalars == {"boolean"}:
        return StringType() if has_nan else BooleanType()
    if scalars <= {"int", "double"} and (has_nan or "double" in scalars):
        return DoubleType()  # wider whole numbers would lose digits: they are text beside fractions
    if scalars <= {"int", "wide"}:
        return StringType() if has_nan else LongType()
    is_whole = scalars <= {"int", "wide", "big"} and not has_nan
    return DecimalType(38, 0) if is_whole else StringType()
