"""Rows of any input under our column names, and which of them the table takes."""

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

# Working columns, called as no column of a table can be: Delta takes no parentheses.
FAULT, ROW, RAW, RANK, KEY = "(fault)", "(row)", "(raw)", "(rank)", "(key)"
FIRST, COPIES, START = "(first)", "(copies)", "(start)"
_MANY_COPIES = 10_000  # rows of one key that no task is to be given together
_COPIES_AT_ONCE = 256  # rows of equal content that a task is given together
_KEYS = StructType([StructField(KEY, LongType())])
DUPLICATE_UID = "duplicate_uid"
INVALID_ENTRY_IDS, INVALID_CAPTION_ID = "invalid_entry_ids", "invalid_caption_id"

# The input's names of a part -> our name for those that are ours, with the input's.
ColumnMap = Callable[[Part], Mapping[str, str]]


@dataclass(frozen=True)
class NormaliseOptions:
    """How rows become ours: `carry` keeps the input's other columns, `source` fills that column."""

    carry: bool
    source: str | None
    max_caption_bytes: int
    front_end: FrontEnd = "none"


def caption_rows(parts: Sequence[Part], column_map: ColumnMap, taking: NormaliseOptions) -> DataFrame:
    """Rename and cast to our columns, with uid and the working columns FAULT, ROW and RAW.

    A value that a column's type cannot hold becomes null. Of the input's other columns those that
    stay have one type in all parts (common_types) and names that Delta takes; where a part lacks
    one, it is null. Raises InputDataError, with file and column, where caption or uid have a type
    that cannot be text, two names collide, or types have nothing in common.
    """
    mappings = [column_map(part) for part in parts]
    for part, mapping in zip(parts, mappings, strict=True):
        _check_names(part, mapping, carry=taking.carry)
        _check_types(part, mapping)
    known = [name for name in CAPTION_COLUMNS.names if any(name in m for m in mappings)]
    others = _carried(parts, mappings, known) if taking.carry else {}
    frames = [
        _rows(part, mapping, known, others, taking)
        for part, mapping in zip(parts, mappings, strict=True)
    ]
    return reduce(DataFrame.unionAll, frames)


def _rows(
    part: Part,
    mapping: Mapping[str, str],
    known: Sequence[str],
    others: Mapping[str, "_Carried"],
    taking: NormaliseOptions,
) -> DataFrame:
    line = F.col(LINE)
    original = part.column(mapping[CAPTION]) if CAPTION in mapping else F.lit(None).cast("string")
    fault = caption_fault(original, max_bytes=taking.max_caption_bytes, front_end=taking.front_end)
    if ENTRY_IDS in mapping:
        fault = F.coalesce(fault, _ids_fault(part.column(mapping[ENTRY_IDS])))
    if CAPTION_ID in mapping:
        fault = F.coalesce(fault, _caption_id_fault(part, mapping[CAPTION_ID]))
    for name in (UID, URL_COLUMN):
        if name in mapping and isinstance(part.kind(mapping[name]), StringType | BinaryType):
            is_invalid = ~is_valid_utf8(part.column(mapping[name]))
            fault = F.coalesce(fault, F.when(is_invalid, INVALID_UTF8))
    fault = F.coalesce(F.col(PART_FAULT), fault)
    raw = F.coalesce(line.cast("binary"), original.cast("binary"))
    named = (part.column(name).alias(name) for name in part.names)
    as_json = F.to_json(F.struct(*named), {"ignoreNullFields": "false"}) if part.names else line
    return part.frame.select(
        *(c.alias(n) for n, c in _known_columns(part, mapping, known, taking).items()),
        *(other.column(part).alias(name) for name, other in others.items()),
        fault.alias(FAULT),
        F.coalesce(line.cast("string"), as_json).alias(ROW),
        F.when(fault == INVALID_UTF8, raw).alias(RAW),
    )


def repeated_keys(rows: DataFrame, *, at_least: int = 2) -> DataFrame:
    """Hashes of the keys that so many rows have, in the column KEY.

    Rows with a fault count too, since to find faults would need the captions.
    """
    return repeated_hashes(rows, _key(rows), at_least=at_least).select(F.col(ID).alias(KEY))


def accepted(
    rows: DataFrame, repeated: Sequence[int] | None = None, *, no_faults: bool = False
) -> DataFrame:
    """The rows without fault, one per uid (and caption_id, where there is one).

    Which of the copies stays is fixed by its content. `repeated`: all of `repeated_keys`, so that
    only those rows are shuffled; None where they are not known. `no_faults`: no row has a fault,
    so that none need be looked for.
    """
    sound = rows if no_faults else rows.where(F.col(FAULT).isNull())
    if repeated is None:
        return _first_copies(sound)
    if not repeated:
        return sound.drop(FAULT, ROW, RAW)
    listed = _listed(sound, repeated)
    copies = _first_copies(_of_keys(sound, listed))
    single = _of_keys(sound, listed, how="left_anti").drop(FAULT, ROW, RAW)
    return single.unionByName(copies)


def rejected(
    rows: DataFrame, repeated: Sequence[int] | None = None, *, run_id: str, job: str
) -> DataFrame:
    """The rows that `accepted` leaves out, with their reason: schemas.REJECTED."""
    return (
        _left_out(rows, repeated)
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


def _left_out(rows: DataFrame, repeated: Sequence[int] | None) -> DataFrame:
    """The rows with a fault, and all but the first of each key, with the fault DUPLICATE_UID."""
    if repeated is not None:
        return _later_in_place(rows, _listed(rows, repeated)) if repeated else _faulty(rows)
    hot = repeated_keys(rows, at_least=_MANY_COPIES)
    sound = rows.where(F.col(FAULT).isNull())
    cold = sound.withColumn(KEY, _key(sound)).join(F.broadcast(hot), on=KEY, how="left_anti")
    later = _ranked(cold).where(F.col(RANK) > 1).withColumn(FAULT, F.lit(DUPLICATE_UID))
    return _later_in_place(rows, hot).unionByName(later.drop(KEY, RANK))


def _faulty(rows: DataFrame) -> DataFrame:
    return rows.where(F.col(FAULT).isNotNull())


def _later_in_place(rows: DataFrame, hot: DataFrame) -> DataFrame:
    """The rows with a fault, and of the keys in `hot` all rows but the first, with theirs.

    A key may have most of the rows: only the smallest hash of each goes around, and rows are held
    against it where they are. Those that share it are counted, as a rule copies in all.
    """
    copies = _of_keys(rows.where(F.col(FAULT).isNull()), hot)
    smallest = F.min(F.xxhash64(ROW)).alias(FIRST)
    firsts = F.broadcast(copies.groupBy(*keys(rows)).agg(smallest))
    marked = rows.join(firsts, on=keys(rows), how="left")
    is_later = F.xxhash64(ROW) > F.col(FIRST)
    fault = F.coalesce(FAULT, F.when(is_later, DUPLICATE_UID))
    later = marked.withColumn(FAULT, fault).where(F.col(FAULT).isNotNull()).drop(FIRST)
    first = copies.join(firsts, on=keys(rows)).where(F.xxhash64(ROW) == F.col(FIRST))
    return later.unionByName(_all_but_one(first.drop(FIRST)), allowMissingColumns=True)


def _all_but_one(first: DataFrame) -> DataFrame:
    """Of the rows with the smallest hash of their key all but the first: keys, CAPTION, ROW, FAULT.

    Equal ones are one row with their number, until that is spread over tasks.
    """
    by = keys(first)
    counted = first.groupBy(*by, CAPTION, ROW).agg(F.count("*").alias(COPIES))
    in_order = Window.partitionBy(*by).orderBy(CAPTION, ROW)
    is_first = (F.row_number().over(in_order) == 1).cast("long")
    left = counted.withColumn(COPIES, F.col(COPIES) - is_first).where(F.col(COPIES) > 0)
    zero, one, at_once = (F.lit(n).cast("long") for n in (0, 1, _COPIES_AT_ONCE))
    starts = F.sequence(zero, F.col(COPIES) - 1, at_once)
    parts = left.withColumn(START, F.explode(starts)).repartition(*by, START)
    size = F.least(F.col(COPIES) - F.col(START), at_once)
    copies = parts.withColumn(COPIES, F.explode(F.sequence(one, size)))
    return copies.drop(COPIES, START).withColumn(FAULT, F.lit(DUPLICATE_UID))


def _first_copies(sound: DataFrame) -> DataFrame:
    # The literal bound lets Spark drop further copies before the shuffle, so that a key with many
    # copies does not meet one task.
    return _ranked(sound).where(F.col(RANK) == 1).drop(FAULT, ROW, RAW, RANK)


def _of_keys(sound: DataFrame, listed: DataFrame, *, how: str = "left_semi") -> DataFrame:
    """The rows with these keys, or by "left_anti" the others."""
    return sound.withColumn(KEY, _key(sound)).join(F.broadcast(listed), on=KEY, how=how).drop(KEY)


def _listed(rows: DataFrame, repeated: Sequence[int]) -> DataFrame:
    return rows.sparkSession.createDataFrame([(key,) for key in repeated], _KEYS)


def _key(rows: DataFrame) -> Column:
    return F.xxhash64(*keys(rows))


def _ranked(sound: DataFrame) -> DataFrame:
    same_uid = Window.partitionBy(*keys(sound)).orderBy(F.xxhash64(ROW), CAPTION, ROW)
    return sound.withColumn(RANK, F.row_number().over(same_uid))


def _known_columns(
    part: Part, mapping: Mapping[str, str], known: Sequence[str], taking: NormaliseOptions
) -> dict[str, Column]:
    """Our columns in the order of schemas.CAPTION_COLUMNS, those that some part has."""
    types = {field.name: field.dataType for field in CAPTION_COLUMNS}
    found = {name: F.lit(None).cast(types[name]) for name in known}
    for name, theirs in mapping.items():
        found[name] = as_type(part.column(theirs), part.kind(theirs), types[name])
    found.setdefault(CAPTION, F.lit(None).cast("string"))
    found[CAPTION] = cleaned_caption(found[CAPTION], front_end=taking.front_end)
    if CAPTION_ID in found:
        found[CAPTION_ID] = F.coalesce(found[CAPTION_ID], F.lit(0))
    if ENTRY_IDS in mapping:
        found[ENTRY_IDS] = F.array_sort(F.array_distinct(found[ENTRY_IDS]))
    if taking.source is not None:
        found[SOURCE] = F.lit(taking.source)
    found[UID] = input_or_content_uid(found.get(UID), found.get(URL_COLUMN), found[CAPTION])
    return {name: found[name] for name in CAPTION_COLUMNS.names if name in found}


@dataclass(frozen=True)
class _Carried:
    """A column of the input that stays: what each part calls it, and its type in all of them."""

    names: Mapping[Part, str]
    kind: DataType

    def column(self, part: Part) -> Column:
        """Its values in a part, under names that Delta takes."""
        stored = delta_type(self.kind)
        if part not in self.names:
            return with_delta_names(F.lit(None).cast(stored), stored)[0]
        name = self.names[part]
        return with_delta_names(conform(part.column(name), part.kind(name), stored), stored)[0]


def _carried(
    parts: Sequence[Part], mappings: Sequence[Mapping[str, str]], known: Sequence[str]
) -> dict[str, _Carried]:
    """Name in the table -> a column that is none of ours, in the order of the parts."""
    ours = {name.lower(): name for name in (*known, UID, CAPTION)}
    carried: dict[str, _Carried] = {}
    called: dict[str, str] = {}
    for part, mapping in zip(parts, mappings, strict=True):
        for theirs in part.names:
            if theirs in mapping.values():
                continue
            name = delta_name(theirs)
            name = called.setdefault(name.lower(), name)
            before = carried.get(name)
            taken = ours.get(name.lower()) or (before and before.names.get(part))
            if taken:
                raise InputDataError(
                    f"{part.where}: input column {theirs!r} would be called {name!r}, as "
                    f"{_called_so(taken, mapping, ours.values())} is; map it with --columns, or "
                    "leave such columns out with --no-carry"
                )
            carried[name] = _with_part(before, part, theirs)
    return carried


def _called_so(taken: str, mapping: Mapping[str, str], ours: Iterable[str]) -> str:
    """The column that has a name already: another of the input, or ours and where it is from."""
    if taken not in ours:
        return f"input column {taken!r}"
    read_from = f", read from {mapping[taken]!r}," if taken in mapping else ""
    return f"our column {taken!r}{read_from}"


def _with_part(before: _Carried | None, part: Part, name: str) -> _Carried:
    """The column with what one more part has of it."""
    kind = part.kind(name)
    try:
        with_delta_names(F.lit(None), kind)
    except ValueError as fault:
        raise InputDataError(
            f"{part.where}: column {name!r} has two fields that Delta would call {str(fault)!r}; "
            "leave such columns out with --no-carry"
        ) from None
    if before is None:
        return _Carried({part: name}, kind)
    common = common_type(before.kind, kind)
    if common is None:
        other = next(iter(before.names))
        raise InputDataError(
            f"column {name!r} is {kind.simpleString()} in {part.where}, but "
            f"{before.kind.simpleString()} in {other.where}, which have no type in common; write "
            "them in one, or leave such columns out with --no-carry"
        )
    return _Carried({**before.names, part: name}, common)


def _ids_fault(ids: Column) -> Column:
    is_wrong = F.exists(ids, lambda i: i.isNull() | ~i.between(0, 2**31 - 1))
    return F.when(is_wrong, INVALID_ENTRY_IDS)


def _caption_id_fault(part: Part, name: str) -> Column:
    """A number of a text that is there, but none: another's number would take its place."""
    typed = as_type(part.column(name), part.kind(name), IntegerType())
    return F.when(part.column(name).isNotNull() & typed.isNull(), INVALID_CAPTION_ID)


def _check_names(part: Part, mapping: Mapping[str, str], *, carry: bool) -> None:
    """Of two columns of one name only the first could be reached."""
    twice = [name for name, n in Counter(part.names).items() if n > 1]
    lost = [name for name in twice if carry or name in mapping.values()]
    if lost:
        raise InputDataError(
            f"{part.where}: two columns are called {lost[0]!r}; rename one, or leave out what is "
            "not mapped with --no-carry"
        )


def _check_types(part: Part, mapping: Mapping[str, str]) -> None:
    if ENTRY_IDS in mapping:
        _check_ids(part, mapping[ENTRY_IDS])
    for name in (CAPTION, UID, URL_COLUMN):
        if name not in mapping:
            continue
        kind = part.kind(mapping[name])
        is_text = isinstance(kind, StringType | BinaryType | NullType)
        is_number = isinstance(kind, IntegralType) or (
            isinstance(kind, DecimalType) and kind.scale == 0
        )
        if not (is_text or (name == UID and is_number)):
            raise InputDataError(
                f"{part.where}: input column {mapping[name]!r} is {kind.simpleString()}, expected "
                f"string for {name}; write it as text, or map another by --columns"
            )
    for name, theirs in mapping.items():
        kind = part.kind(theirs)
        if name != ENTRY_IDS and not isinstance(kind, AtomicType | NullType):
            raise InputDataError(
                f"{part.where}: input column {theirs!r} is {kind.simpleString()}, expected one "
                f"value for {name}"
            )


def _check_ids(part: Part, name: str) -> None:
    kind = part.kind(name)
    is_list = isinstance(kind, ArrayType) and isinstance(kind.elementType, IntegralType | NullType)
    if not (is_list or isinstance(kind, NullType)):
        raise InputDataError(
            f"{part.where}: input column {name!r} is {kind.simpleString()}, expected an array "
            "of whole numbers for entry_ids"
        )
