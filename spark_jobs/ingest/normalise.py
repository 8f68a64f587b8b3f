"""Rows of any input under our column names, and which of them the table takes."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType, IntegralType, StringType

from spark_jobs.columns import keys, named
from spark_jobs.errors import InputDataError
from spark_jobs.id_counts import repeated
from spark_jobs.ingest.text_lines import FAULT, LINE
from spark_jobs.ingest.text_rules import INVALID_UTF8, FrontEnd, caption_fault, cleaned
from spark_jobs.ingest.uid import given_or_content_uid
from spark_jobs.schemas import (
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
from spark_jobs.schemas import URL as URL_COLUMN
from udfs.id_counts import ID

ROW, RAW, RANK, KEY = "_row", "_raw", "_rank", "_key"  # working columns
DUPLICATE_UID = "duplicate_uid"
INVALID_ENTRY_IDS = "invalid_entry_ids"
_NOT_IN_DELTA_NAMES = str.maketrans(dict.fromkeys(" ,;{}()\n\t=", "_"))


def caption_rows(
    rows: DataFrame,
    mapping: Mapping[str, str],
    *,
    carry: bool,
    source: str | None,
    max_caption_bytes: int,
    front_end: FrontEnd = "none",
) -> DataFrame:
    """Rename and cast to our columns, with uid and the working columns `_fault`, `_row`, `_raw`.

    `mapping`: our name -> the input's. A value that a column's type cannot hold becomes null.
    With `carry` the input's other columns stay, under names that Delta takes. Raises
    InputDataError where caption or uid have a type that cannot be text, or two names collide.
    """
    _check_types(rows, mapping)
    known = _known_columns(mapping, source, front_end)
    others = _carried(rows, mapping, list(known)) if carry else {}
    line = F.col(LINE) if LINE in rows.columns else F.lit(None)
    raw = F.coalesce(line.cast("binary"), named(mapping[CAPTION]).cast("binary"))
    fault = caption_fault(named(mapping[CAPTION]), max_bytes=max_caption_bytes, front_end=front_end)
    if ENTRY_IDS in mapping:
        fault = F.coalesce(fault, _ids_fault(named(mapping[ENTRY_IDS])))
    if FAULT in rows.columns:
        fault = F.coalesce(F.col(FAULT), fault)
    names = [name for name in rows.columns if name not in {LINE, FAULT}]
    as_json = F.to_json(F.struct(*map(named, names)), {"ignoreNullFields": "false"})
    return rows.select(
        *(column.alias(name) for name, column in known.items()),
        *(named(theirs).alias(name) for name, theirs in others.items()),
        fault.alias(FAULT),
        F.coalesce(line, as_json).alias(ROW),
        F.when(fault == INVALID_UTF8, raw).alias(RAW),
    )


def repeated_keys(rows: DataFrame) -> DataFrame:
    """Hashes of the keys that more than one row has, in the column `_key`.

    Rows with a fault count too, since to find faults would need the captions.
    """
    return repeated(rows, _key(rows)).select(F.col(ID).alias(KEY))


def accepted(
    rows: DataFrame, repeated: Sequence[int] | None = None, *, are_sound: bool = False
) -> DataFrame:
    """The rows without fault, one per uid (and caption_id, where there is one).

    Which of the copies stays is fixed by its content. `repeated`: all of `repeated_keys`, so that
    only those rows are shuffled; None where they are not known. `are_sound`: no row has a fault,
    so that none need be looked for.
    """
    sound = rows if are_sound else rows.where(F.col(FAULT).isNull())
    if repeated is None:
        return _first_copies(sound)
    if not repeated:
        return sound.drop(FAULT, ROW, RAW)
    copies = _first_copies(_with_key(sound, repeated))
    single = _with_key(sound, repeated, how="left_anti").drop(FAULT, ROW, RAW)
    return single.unionByName(copies)


def rejected(
    rows: DataFrame, repeated: Sequence[int] | None = None, *, run_id: str, job: str
) -> DataFrame:
    """The rows that `accepted` leaves out, with their reason: schemas.REJECTED."""
    sound = rows.where(F.col(FAULT).isNull())
    copies = _ranked(_with_key(sound, repeated)).where(F.col(RANK) > 1)
    faulty = rows.where(F.col(FAULT).isNotNull())
    told = copies.withColumn(FAULT, F.lit(DUPLICATE_UID)).drop(RANK).unionByName(faulty)
    return told.select(
        F.lit(run_id).alias(RUN_ID),
        F.lit(job).alias(JOB),
        F.col(FAULT).alias(REASON),
        UID,
        F.col(ROW).alias("row"),
        F.col(RAW).alias("raw"),
    ).select(*REJECTED.names)


def _first_copies(sound: DataFrame) -> DataFrame:
    return _ranked(sound).where(F.col(RANK) == 1).drop(FAULT, ROW, RAW, RANK)


def _with_key(
    sound: DataFrame, repeated: Sequence[int] | None, *, how: str = "left_semi"
) -> DataFrame:
    """The rows whose key is among the repeated ones, or by "left_anti" the others."""
    if repeated is None:
        known = repeated_keys(sound)
    else:
        listed = [(key,) for key in repeated]
        known = F.broadcast(sound.sparkSession.createDataFrame(listed, f"{KEY} long"))
    return sound.withColumn(KEY, _key(sound)).join(known, on=KEY, how=how).drop(KEY)


def _key(rows: DataFrame) -> Column:
    return F.xxhash64(*keys(rows))


def _ranked(sound: DataFrame) -> DataFrame:
    same_uid = Window.partitionBy(*keys(sound)).orderBy(F.xxhash64(ROW), CAPTION, ROW)
    return sound.withColumn(RANK, F.row_number().over(same_uid))


def _known_columns(
    mapping: Mapping[str, str], source: str | None, front_end: FrontEnd
) -> dict[str, Column]:
    """Our columns in the order of schemas.CAPTION_COLUMNS, those that there are."""
    types = {field.name: field.dataType for field in CAPTION_COLUMNS}
    found = {name: named(theirs).cast(types[name]) for name, theirs in mapping.items()}
    found[CAPTION] = cleaned(found[CAPTION], front_end=front_end)
    if CAPTION_ID in found:
        found[CAPTION_ID] = F.coalesce(found[CAPTION_ID], F.lit(0))
    if ENTRY_IDS in found:
        found[ENTRY_IDS] = F.array_sort(F.array_distinct(found[ENTRY_IDS]))
    if source is not None:
        found[SOURCE] = F.lit(source)
    found[UID] = given_or_content_uid(found.get(UID), found.get(URL_COLUMN), found[CAPTION])
    return {name: found[name] for name in CAPTION_COLUMNS.names if name in found}


def _carried(rows: DataFrame, mapping: Mapping[str, str], known: list[str]) -> dict[str, str]:
    """Name in the table -> name in the input, of the columns that are none of ours."""
    taken = {name.lower(): name for name in known}
    carried: dict[str, str] = {}
    for theirs in rows.columns:
        if theirs in mapping.values() or theirs in {LINE, FAULT}:
            continue
        name = theirs.translate(_NOT_IN_DELTA_NAMES)
        if name.lower() in taken:
            raise InputDataError(
                f"input column {theirs!r} would be named as {taken[name.lower()]!r}; "
                "map it with --columns, or leave such columns out with --no-carry"
            )
        taken[name.lower()] = theirs
        carried[name] = theirs
    return carried


def _ids_fault(ids: Column) -> Column:
    is_wrong = F.exists(ids, lambda i: i.isNull() | ~i.between(0, 2**31 - 1))
    return F.when(is_wrong, INVALID_ENTRY_IDS)


def _check_types(rows: DataFrame, mapping: Mapping[str, str]) -> None:
    text = (StringType, BinaryType)
    if ENTRY_IDS in mapping:
        ids = rows.schema[mapping[ENTRY_IDS]].dataType
        if not isinstance(ids, ArrayType) or not isinstance(ids.elementType, IntegralType):
            raise InputDataError(
                f"input column {mapping[ENTRY_IDS]!r} is {ids.simpleString()}, expected an array "
                "of whole numbers for entry_ids"
            )
    allowed = {CAPTION: text, UID: (*text, IntegralType), URL_COLUMN: text}
    for name, types in allowed.items():
        if name not in mapping:
            continue
        found = rows.schema[mapping[name]].dataType
        if not isinstance(found, types):
            raise InputDataError(
                f"input column {mapping[name]!r} is {found.simpleString()}, expected string "
                f"for {name}"
            )
