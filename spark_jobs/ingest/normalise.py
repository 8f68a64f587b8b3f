"""Normalise the rows of any input to our columns, and name the fault of each."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    AtomicType,
    BinaryType,
    DecimalType,
    IntegerType,
    IntegralType,
    NullType,
    StringType,
)

from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import (
    CAPTION,
    CAPTION_COLUMNS,
    CAPTION_ID,
    ENTRY_IDS,
    SOURCE,
    UID,
)
from spark_jobs.core.schemas import URL as URL_COLUMN
from spark_jobs.core.unions import union_all
from spark_jobs.ingest.carried_columns import CarriedColumn, carried_columns
from spark_jobs.ingest.source import FAULT as PART_FAULT
from spark_jobs.ingest.source import LINE, Part
from spark_jobs.ingest.text_rules import (
    INVALID_UTF8,
    FrontEnd,
    caption_fault,
    cleaned_caption,
    is_valid_utf8,
)
from spark_jobs.ingest.uid import input_or_content_uid
from spark_jobs.ingest.values import as_type

# Working columns. Delta allows no parentheses in names, so no column of a table has these.
FAULT, ROW, RAW = "(fault)", "(row)", "(raw)"
INVALID_ENTRY_IDS, INVALID_CAPTION_ID = "invalid_entry_ids", "invalid_caption_id"

# A part -> its map from our column names to the input's.
ColumnMap = Callable[[Part], Mapping[str, str]]


@dataclass(frozen=True)
class NormaliseOptions:
    """Options of normalisation: `carry` keeps the input's other columns, `source` is a constant."""

    carry: bool
    source: str | None
    max_caption_bytes: int
    front_end: FrontEnd = "none"


def caption_rows(
    parts: Sequence[Part], column_map: ColumnMap, options: NormaliseOptions
) -> DataFrame:
    """Rename and cast to our columns; add uid and the working columns FAULT, ROW and RAW.

    A value that a column's type cannot hold becomes null. The input's other columns, if carried
    along, get a common type over all parts (common_types) and a name that Delta allows; they are
    null in parts that lack them. Raises InputDataError, with file and column, if the type of
    caption or uid cannot be text, two names collide, or types have no common type.
    """
    mappings = [column_map(part) for part in parts]
    for part, mapping in zip(parts, mappings, strict=True):
        _check_names(part, mapping, carry=options.carry)
        _check_types(part, mapping)
    mapped_names = [
        name for name in CAPTION_COLUMNS.names if any(name in mapping for mapping in mappings)
    ]
    carried = carried_columns(parts, mappings, mapped_names) if options.carry else {}
    frames = [
        _rows_of_part(part, mapping, mapped_names, carried, options)
        for part, mapping in zip(parts, mappings, strict=True)
    ]
    return union_all(frames)


def _rows_of_part(
    part: Part,
    mapping: Mapping[str, str],
    mapped_names: Sequence[str],
    carried: Mapping[str, CarriedColumn],
    options: NormaliseOptions,
) -> DataFrame:
    """The rows of one part; `mapped_names`: our columns that some part has."""
    line = F.col(LINE)
    caption = part.column(mapping[CAPTION]) if CAPTION in mapping else F.lit(None).cast("string")
    fault = _row_fault(part, mapping, caption, options)
    raw = F.coalesce(line.cast("binary"), caption.cast("binary"))
    input_columns = (part.column(name).alias(name) for name in part.names)
    as_json = (
        F.to_json(F.struct(*input_columns), {"ignoreNullFields": "false"}) if part.names else line
    )
    caption_columns = _caption_columns(part, mapping, mapped_names, options)
    return part.frame.select(
        *(column.alias(name) for name, column in caption_columns.items()),
        *(carried_column.column(part).alias(name) for name, carried_column in carried.items()),
        fault.alias(FAULT),
        F.coalesce(line.cast("string"), as_json).alias(ROW),
        F.when(fault == INVALID_UTF8, raw).alias(RAW),
    )


def _row_fault(
    part: Part, mapping: Mapping[str, str], caption: Column, options: NormaliseOptions
) -> Column:
    """The first reason to reject a row: that of its record, caption, ids, uid or url; or null."""
    fault = caption_fault(caption, max_bytes=options.max_caption_bytes, front_end=options.front_end)
    if ENTRY_IDS in mapping:
        fault = F.coalesce(fault, _entry_ids_fault(part.column(mapping[ENTRY_IDS])))
    if CAPTION_ID in mapping:
        fault = F.coalesce(fault, _caption_id_fault(part, mapping[CAPTION_ID]))
    for name in (UID, URL_COLUMN):
        if name in mapping and isinstance(part.type_of(mapping[name]), StringType | BinaryType):
            is_invalid = ~is_valid_utf8(part.column(mapping[name]))
            fault = F.coalesce(fault, F.when(is_invalid, INVALID_UTF8))
    return F.coalesce(F.col(PART_FAULT), fault)


def _caption_columns(
    part: Part, mapping: Mapping[str, str], mapped_names: Sequence[str], options: NormaliseOptions
) -> dict[str, Column]:
    """Our columns that some part has, in the order of schemas.CAPTION_COLUMNS."""
    types = {field.name: field.dataType for field in CAPTION_COLUMNS}
    columns = {name: F.lit(None).cast(types[name]) for name in mapped_names}
    for name, input_name in mapping.items():
        columns[name] = as_type(part.column(input_name), part.type_of(input_name), types[name])
    columns.setdefault(CAPTION, F.lit(None).cast("string"))
    columns[CAPTION] = cleaned_caption(columns[CAPTION], front_end=options.front_end)
    if CAPTION_ID in columns:
        columns[CAPTION_ID] = F.coalesce(columns[CAPTION_ID], F.lit(0))
    if ENTRY_IDS in mapping:
        columns[ENTRY_IDS] = F.array_sort(F.array_distinct(columns[ENTRY_IDS]))
    if options.source is not None:
        columns[SOURCE] = F.lit(options.source)
    columns[UID] = input_or_content_uid(columns.get(UID), columns.get(URL_COLUMN), columns[CAPTION])
    return {name: columns[name] for name in CAPTION_COLUMNS.names if name in columns}


def _entry_ids_fault(ids: Column) -> Column:
    is_wrong = F.exists(ids, lambda i: i.isNull() | ~i.between(0, 2**31 - 1))
    return F.when(is_wrong, INVALID_ENTRY_IDS)


def _caption_id_fault(part: Part, name: str) -> Column:
    """The fault of a caption_id that is no int; read as null it would wrongly become 0."""
    caption_id = as_type(part.column(name), part.type_of(name), IntegerType())
    return F.when(part.column(name).isNotNull() & caption_id.isNull(), INVALID_CAPTION_ID)


def _check_names(part: Part, mapping: Mapping[str, str], *, carry: bool) -> None:
    """Raise InputDataError if two columns to be read have the same name."""
    repeated_names = [name for name, n in Counter(part.names).items() if n > 1]
    ambiguous = [name for name in repeated_names if carry or name in mapping.values()]
    if ambiguous:
        raise InputDataError(
            f"{part.where}: two columns are called {ambiguous[0]!r}; rename one, or leave out what "
            "is not mapped with --no-carry"
        )


def _check_types(part: Part, mapping: Mapping[str, str]) -> None:
    """Raise InputDataError if an input column's type cannot be converted to that of ours."""
    if ENTRY_IDS in mapping:
        _check_entry_ids(part, mapping[ENTRY_IDS])
    for name in (CAPTION, UID, URL_COLUMN):
        if name not in mapping:
            continue
        type_ = part.type_of(mapping[name])
        is_text = isinstance(type_, StringType | BinaryType | NullType)
        is_number = isinstance(type_, IntegralType) or (
            isinstance(type_, DecimalType) and type_.scale == 0
        )
        if not (is_text or (name == UID and is_number)):
            raise InputDataError(
                f"{part.where}: input column {mapping[name]!r} is {type_.simpleString()}, expected "
                f"string for {name}; write it as text, or map another by --columns"
            )
    for name, input_name in mapping.items():
        type_ = part.type_of(input_name)
        if name != ENTRY_IDS and not isinstance(type_, AtomicType | NullType):
            raise InputDataError(
                f"{part.where}: input column {input_name!r} is {type_.simpleString()}, expected "
                f"one value for {name}"
            )


def _check_entry_ids(part: Part, name: str) -> None:
    type_ = part.type_of(name)
    is_id_list = isinstance(type_, ArrayType) and isinstance(
        type_.elementType, IntegralType | NullType
    )
    if not (is_id_list or isinstance(type_, NullType)):
        raise InputDataError(
            f"{part.where}: input column {name!r} is {type_.simpleString()}, expected an array "
            "of whole numbers for entry_ids"
        )
