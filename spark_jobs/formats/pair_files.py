"""Pairs as plain files that img2dataset, open_clip and pandas read: columns, their names, rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    LongType,
    MapType,
    NullType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.columns import free_name, keys, named, require_columns
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION, CAPTION_ID, HEIGHT, UID, URL, WIDTH
from spark_jobs.storage.outputs.folders import n_files_for
from udfs.pair_files import FILE, ROWS, PairFormat, write_empty_file, write_pair_files

NAME = "pairs"  # files are called pairs_00000.parquet
_FIRST_COLUMNS = (UID, CAPTION_ID, URL, CAPTION, WIDTH, HEIGHT)
_NESTED = (ArrayType, MapType, StructType, BinaryType, NullType)
_UNWRITABLE: dict[PairFormat, tuple[type[DataType], ...]] = {
    "parquet": (),
    "csv": _NESTED,
    "jsonl": (BinaryType, MapType),
}
_CHUNK = "_chunk"
_WITHOUT_URL, _WITHOUT_CAPTION, _NOT_JOINED = "without_url", "without_caption", "not_joined"
_LINE_BREAKS, _NUL = "line_breaks", "nul"
_IS_JOINED = "_is_joined"


@dataclass(frozen=True)
class PairColumns:
    """The columns of the files: name in the table -> name in the files, in order.

    `left_out`: lists, maps, structs and bytes that no setting names.
    """

    names: Mapping[str, str]
    left_out: Sequence[str]


@dataclass(frozen=True)
class WrittenPairs:
    """Numbers of files and rows written, and of rows without url, without caption, and so on."""

    files: int
    rows: int
    without_url: int
    without_caption: int
    not_joined: int
    line_breaks: int
    nul: int


def choose_columns(
    pairs: DataFrame,
    called: str,
    new_names: Mapping[str, str],
    *,
    carry: bool,
    format_: PairFormat,
) -> PairColumns:
    """The columns to write: uid, url, caption, sizes, those in `new_names`, and other plain ones.

    `called`: the table in messages; `new_names`: name in the table -> name in the files; `carry`:
    write the other columns too. Raises MissingColumnError for a column that the table lacks,
    InputDataError for two columns of one name, for a nested column in CSV, and for maps and bytes,
    also inside of lists and structs, in JSON lines.
    """
    require_columns(pairs, called, new_names)
    first = [name for name in _FIRST_COLUMNS if name in pairs.columns]
    wanted = [*first, *(name for name in new_names if name not in first)]
    others = [name for name in pairs.columns if name not in {*wanted, _IS_JOINED}]
    left_out = [name for name in others if isinstance(pairs.schema[name].dataType, _NESTED)]
    if carry:
        wanted += [name for name in others if name not in left_out]
    _refuse_nested(pairs, called, wanted, format_)
    names = {name: new_names.get(name, name) for name in wanted}
    for new_name in names.values():
        same = [other for other in names if names[other].lower() == new_name.lower()]
        if len(same) > 1:
            raise InputDataError(
                f"{called}: its columns {' and '.join(map(repr, same))} would both be called "
                f"{new_name!r}; rename one by --columns '{{{same[1]}: NAME}}', or --no-carry"
            )
    return PairColumns(names, left_out if carry else [])


def _refuse_nested(
    pairs: DataFrame, called: str, names: Sequence[str], format_: PairFormat
) -> None:
    unwritable = _UNWRITABLE[format_]
    for name in names:
        type_ = pairs.schema[name].dataType
        if any(isinstance(part, unwritable) for part in _parts(type_)):
            raise InputDataError(
                f"{called}: column {name!r} is {type_.simpleString()}, which {format_} cannot "
                "hold; take --format parquet"
            )


def _parts(type_: DataType) -> Iterator[DataType]:
    """The type, and the types inside it at any depth."""
    yield type_
    match type_:
        case ArrayType():
            yield from _parts(type_.elementType)
        case MapType():
            yield from _parts(type_.keyType)
            yield from _parts(type_.valueType)
        case StructType():
            for field in type_:
                yield from _parts(field.dataType)


def with_caption_columns(pairs: DataFrame, captions: DataFrame) -> DataFrame:
    """Add the columns that the pairs lack from the captions with the same uid (and caption_id).

    A row whose key the captions lack has null there, and is counted when the rows are written.
    """
    key = [name for name in keys(pairs) if name in keys(captions)]
    existing = {name.lower() for name in pairs.columns}
    added = [name for name in captions.columns if name.lower() not in existing]
    caption_key_names = [free_name(pairs, f"_{name}") for name in key]
    right = captions.select(
        *(named(name).alias(alias) for name, alias in zip(key, caption_key_names, strict=True)),
        *map(named, added),
        F.lit(True).alias(_IS_JOINED),
    )
    is_same = F.lit(True)
    for name, alias in zip(key, caption_key_names, strict=True):
        is_same = is_same & named(name).eqNullSafe(named(alias))
    return pairs.join(right, on=is_same, how="left").drop(*caption_key_names)


def write_pairs(
    pairs: DataFrame,
    columns: PairColumns,
    folder: str,
    format_: PairFormat,
    *,
    n_rows: int,
    rows_per_file: int,
    breaks_as_spaces: bool = False,
) -> WrittenPairs:
    """Write all rows as files `pairs_00000.parquet` ..., each sorted by its keys.

    A hash of the key decides the file of a row, so a file is a random part of the rows. `n_rows`:
    the number of rows, for the number of files. `breaks_as_spaces`: a line feed and a carriage
    return in a text become a space each. Without rows there is one file with the columns.
    """
    n_files, key = n_files_for(n_rows, rows_per_file), keys(pairs)
    chunk = F.pmod(F.xxhash64(*key), F.lit(n_files)).cast("int")
    flags = _flags(pairs, columns.names)
    values = [
        F.translate(named(name), "\r\n", "  ")
        if breaks_as_spaces and _is_text(pairs, name)
        else named(name)
        for name in columns.names
    ]
    rows = (
        pairs.withColumn(_CHUNK, chunk)
        .repartition(n_files, _CHUNK)
        .sortWithinPartitions(_CHUNK, *key)
        .select(
            _CHUNK,
            *(flag.alias(name) for name, flag in flags.items()),
            *(value.alias(f"c{number}") for number, value in enumerate(values)),
        )
    )
    write = write_pair_files(folder, NAME, format_, [*columns.names.values()], [*flags])
    fields = [StructField(name, LongType()) for name in (ROWS, *flags)]
    files = map_in_arrow(rows, write, StructType([StructField(FILE, StringType()), *fields]))
    written = files.collect()
    if not written:
        schema = StructType(
            [StructField(new, pairs.schema[name].dataType) for name, new in columns.names.items()]
        )
        write_empty_file(folder, NAME, format_, to_arrow_schema(schema))
    sums = {name: sum(row[name] for row in written) for name in (ROWS, *flags)}
    return WrittenPairs(files=max(1, len(written)), **sums)


def _flags(pairs: DataFrame, names: Mapping[str, str]) -> dict[str, Column]:
    """What is counted of the rows: name -> boolean column."""
    texts = [named(name) for name in names if _is_text(pairs, name)]

    def any_text(pattern: str) -> Column:
        is_match = F.lit(False)
        for text in texts:
            is_match = is_match | F.coalesce(text.rlike(pattern), F.lit(False))
        return is_match

    not_joined = F.col(_IS_JOINED).isNull() if _IS_JOINED in pairs.columns else F.lit(False)
    without_url = named(URL).isNull() if URL in names else F.lit(False)
    return {
        _WITHOUT_URL: without_url,
        _WITHOUT_CAPTION: named(CAPTION).isNull(),
        _NOT_JOINED: not_joined,
        _LINE_BREAKS: any_text("[\\r\\n]"),
        _NUL: any_text("\\x00"),
    }


def _is_text(rows: DataFrame, name: str) -> bool:
    return isinstance(rows.schema[name].dataType, StringType)
