"""Normalise the rows of any input to our columns, and split them into accepted and rejected."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    AtomicType,
    BinaryType,
    DataType,
    DecimalType,
    IntegerType,
    IntegralType,
    LongType,
    NullType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.columns import keys
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.id_counts import repeated_hashes
from spark_jobs.core.schemas import (
    CAPTION,
    CAPTION_COLUMNS,
    CAPTION_ID,
    ENTRY_IDS,
    JOB,
    REASON,
    REJECTED,
    RUN_ID,
    SOURCE,
    UID,
)
from spark_jobs.core.schemas import URL as URL_COLUMN
from spark_jobs.ingest.common_types import (
    common_type,
    conform,
    delta_name,
    delta_type,
    with_delta_names,
)
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
from udfs.id_counts import ID

# Working columns. Delta allows no parentheses in names, so no column of a table has these.
FAULT, ROW, RAW, RANK, KEY = "(fault)", "(row)", "(raw)", "(rank)", "(key)"
FIRST, COPIES, START = "(first)", "(copies)", "(start)"
_MIN_HOT_COPIES = 10_000  # rows of one key above which no single task gets all of them
_COPIES_PER_TASK = 256  # rows of equal content that one task gets at most at a time
_KEY_COLUMNS = StructType([StructField(KEY, LongType())])
DUPLICATE_UID = "duplicate_uid"
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
    carried = _carried_columns(parts, mappings, mapped_names) if options.carry else {}
    frames = [
        _rows_of_part(part, mapping, mapped_names, carried, options)
        for part, mapping in zip(parts, mappings, strict=True)
    ]
    return reduce(DataFrame.unionAll, frames)


def _rows_of_part(
    part: Part,
    mapping: Mapping[str, str],
    mapped_names: Sequence[str],
    carried: Mapping[str, "_CarriedColumn"],
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


def repeated_keys(rows: DataFrame, *, at_least: int = 2) -> DataFrame:
    """Hashes of the keys that at least `at_least` rows have, in the column KEY.

    Rows with a fault are counted too, since finding faults would require reading the captions.
    """
    return repeated_hashes(rows, _key_hash(rows), at_least=at_least).select(F.col(ID).alias(KEY))


def accepted(
    rows: DataFrame, repeated: Sequence[int] | None = None, *, no_faults: bool = False
) -> DataFrame:
    """The rows without fault, one per uid (and caption_id, if there is one).

    Which of several rows with the same key stays depends on their content alone. `repeated`: all
    hashes of `repeated_keys`, so that only their rows are shuffled; None if unknown. `no_faults`:
    no row is known to have a fault, so the filter is skipped.
    """
    valid_rows = rows if no_faults else rows.where(F.col(FAULT).isNull())
    if repeated is None:
        return _first_copies(valid_rows)
    if not repeated:
        return valid_rows.drop(FAULT, ROW, RAW)
    repeated_frame = _keys_frame(valid_rows, repeated)
    first_copies = _first_copies(_rows_with_keys(valid_rows, repeated_frame))
    unique_rows = _rows_with_keys(valid_rows, repeated_frame, how="left_anti")
    return unique_rows.drop(FAULT, ROW, RAW).unionByName(first_copies)


def rejected(
    rows: DataFrame, repeated: Sequence[int] | None = None, *, run_id: str, job: str
) -> DataFrame:
    """schemas.REJECTED: the rows that `accepted` leaves out, with the reason."""
    return (
        _rejected_rows(rows, repeated)
        .select(
            F.lit(run_id).alias(RUN_ID),
            F.lit(job).alias(JOB),
            F.col(FAULT).alias(REASON),
            UID,
            F.col(ROW).alias("row"),
            F.col(RAW).alias("raw"),
        )
        .select(*REJECTED.names)
    )


def _rejected_rows(rows: DataFrame, repeated: Sequence[int] | None) -> DataFrame:
    """The rows with a fault, and all but the first row of each key, with fault DUPLICATE_UID.

    Without `repeated`, keys of 10,000 rows and more ("hot" ones) are handled without a shuffle of
    all their rows to one task.
    """
    if repeated is not None:
        return (
            _faulty_and_later_copies(rows, _keys_frame(rows, repeated))
            if repeated
            else _rows_with_fault(rows)
        )
    hot_keys = repeated_keys(rows, at_least=_MIN_HOT_COPIES)
    valid_rows = rows.where(F.col(FAULT).isNull())
    with_key = valid_rows.withColumn(KEY, _key_hash(valid_rows))
    cold_rows = with_key.join(F.broadcast(hot_keys), on=KEY, how="left_anti")
    later_copies = _with_rank(cold_rows).where(F.col(RANK) > 1)
    cold_rejected = later_copies.withColumn(FAULT, F.lit(DUPLICATE_UID)).drop(KEY, RANK)
    return _faulty_and_later_copies(rows, hot_keys).unionByName(cold_rejected)


def _rows_with_fault(rows: DataFrame) -> DataFrame:
    return rows.where(F.col(FAULT).isNotNull())


def _faulty_and_later_copies(rows: DataFrame, key_hashes: DataFrame) -> DataFrame:
    """The rows with a fault, and all but the first row of the given keys, with DUPLICATE_UID.

    The first row of a key is the one with the smallest hash of its content. A key may have most of
    the rows, so they are not shuffled: each key's smallest hash is broadcast and compared with.
    Rows that share the smallest hash, nearly always equal in all columns, are counted instead.
    """
    copies = _rows_with_keys(rows.where(F.col(FAULT).isNull()), key_hashes)
    smallest_hash = F.min(F.xxhash64(ROW)).alias(FIRST)
    first_hashes = F.broadcast(copies.groupBy(*keys(rows)).agg(smallest_hash))
    with_first_hash = rows.join(first_hashes, on=keys(rows), how="left")
    is_later = F.xxhash64(ROW) > F.col(FIRST)
    fault = F.coalesce(FAULT, F.when(is_later, DUPLICATE_UID))
    rejected_rows = with_first_hash.withColumn(FAULT, fault).where(F.col(FAULT).isNotNull())
    first_copies = copies.join(first_hashes, on=keys(rows)).where(F.xxhash64(ROW) == F.col(FIRST))
    equal_copies = _all_but_first_of_equal_hash(first_copies.drop(FIRST))
    return rejected_rows.drop(FIRST).unionByName(equal_copies, allowMissingColumns=True)


def _all_but_first_of_equal_hash(rows: DataFrame) -> DataFrame:
    """All but the first of the rows that share their key's smallest hash.

    Columns: keys, CAPTION, ROW, FAULT. Equal rows are aggregated to one row with their number, then
    expanded again in chunks spread over tasks.
    """
    key_columns = keys(rows)
    with_count = rows.groupBy(*key_columns, CAPTION, ROW).agg(F.count("*").alias(COPIES))
    by_content = Window.partitionBy(*key_columns).orderBy(CAPTION, ROW)
    is_first = (F.row_number().over(by_content) == 1).cast("long")
    n_rejected = F.col(COPIES) - is_first
    to_reject = with_count.withColumn(COPIES, n_rejected).where(F.col(COPIES) > 0)
    zero, one, chunk_size = (F.lit(n).cast("long") for n in (0, 1, _COPIES_PER_TASK))
    starts = F.sequence(zero, F.col(COPIES) - 1, chunk_size)
    chunks = to_reject.withColumn(START, F.explode(starts)).repartition(*key_columns, START)
    size = F.least(F.col(COPIES) - F.col(START), chunk_size)
    copies = chunks.withColumn(COPIES, F.explode(F.sequence(one, size)))
    return copies.drop(COPIES, START).withColumn(FAULT, F.lit(DUPLICATE_UID))


def _first_copies(valid_rows: DataFrame) -> DataFrame:
    # The literal bound lets Spark drop further copies before the shuffle, so that a key with many
    # copies does not overload one task.
    return _with_rank(valid_rows).where(F.col(RANK) == 1).drop(FAULT, ROW, RAW, RANK)


def _rows_with_keys(rows: DataFrame, key_hashes: DataFrame, *, how: str = "left_semi") -> DataFrame:
    """The rows whose key hash is listed; with how="left_anti" the others."""
    with_key = rows.withColumn(KEY, _key_hash(rows))
    return with_key.join(F.broadcast(key_hashes), on=KEY, how=how).drop(KEY)


def _keys_frame(rows: DataFrame, key_hashes: Sequence[int]) -> DataFrame:
    return rows.sparkSession.createDataFrame([(key,) for key in key_hashes], _KEY_COLUMNS)


def _key_hash(rows: DataFrame) -> Column:
    return F.xxhash64(*keys(rows))


def _with_rank(rows: DataFrame) -> DataFrame:
    """Add RANK: a row's rank among those of its key, 1 for the one that stays."""
    same_key = Window.partitionBy(*keys(rows)).orderBy(F.xxhash64(ROW), CAPTION, ROW)
    return rows.withColumn(RANK, F.row_number().over(same_key))


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


@dataclass(frozen=True)
class _CarriedColumn:
    """An input column that is carried along: its name in each part, and the common type."""

    names: Mapping[Part, str]
    common_type: DataType

    def column(self, part: Part) -> Column:
        """The part's values in the common type, with struct fields named as Delta allows."""
        stored_type = delta_type(self.common_type)
        if part not in self.names:
            return with_delta_names(F.lit(None).cast(stored_type), stored_type)[0]
        name = self.names[part]
        values = conform(part.column(name), part.type_of(name), stored_type)
        return with_delta_names(values, stored_type)[0]


def _carried_columns(
    parts: Sequence[Part], mappings: Sequence[Mapping[str, str]], mapped_names: Sequence[str]
) -> dict[str, _CarriedColumn]:
    """Name in the table -> input column that is not mapped to ours, in the order of the parts."""
    our_names = {name.lower(): name for name in (*mapped_names, UID, CAPTION)}
    carried: dict[str, _CarriedColumn] = {}
    table_names: dict[str, str] = {}  # lower case -> the spelling that occurred first
    for part, mapping in zip(parts, mappings, strict=True):
        for input_name in part.names:
            if input_name in mapping.values():
                continue
            name = delta_name(input_name)
            name = table_names.setdefault(name.lower(), name)
            carried_so_far = carried.get(name)
            owner = our_names.get(name.lower()) or (
                carried_so_far and carried_so_far.names.get(part)
            )
            if owner:
                raise InputDataError(
                    f"{part.where}: input column {input_name!r} would be called {name!r}, as "
                    f"{_describe_owner(owner, mapping, our_names.values())} is; map it with "
                    "--columns, or leave such columns out with --no-carry"
                )
            carried[name] = _add_part(carried_so_far, part, input_name)
    return carried


def _describe_owner(owner: str, mapping: Mapping[str, str], our_names: Iterable[str]) -> str:
    """Text for the column that already has a name: another input column, or one of ours."""
    if owner not in our_names:
        return f"input column {owner!r}"
    read_from = f", read from {mapping[owner]!r}," if owner in mapping else ""
    return f"our column {owner!r}{read_from}"


def _add_part(carried: _CarriedColumn | None, part: Part, name: str) -> _CarriedColumn:
    """Add one more part to a carried column, and widen its type as needed."""
    part_type = part.type_of(name)
    try:
        with_delta_names(F.lit(None), part_type)
    except ValueError as fault:
        raise InputDataError(
            f"{part.where}: column {name!r} has two fields that Delta would call {str(fault)!r}; "
            "leave such columns out with --no-carry"
        ) from None
    if carried is None:
        return _CarriedColumn({part: name}, part_type)
    common = common_type(carried.common_type, part_type)
    if common is None:
        first_part = next(iter(carried.names))
        raise InputDataError(
            f"column {name!r} is {part_type.simpleString()} in {part.where}, but "
            f"{carried.common_type.simpleString()} in {first_part.where}, which have no type in "
            "common; write them in one, or leave such columns out with --no-carry"
        )
    return _CarriedColumn({**carried.names, part: name}, common)


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
