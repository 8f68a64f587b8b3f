"""Target counts per class: from a class-frequency file, a table of counts, or another data set."""

from decimal import Decimal, InvalidOperation

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.columns import named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION_COUNT, LEMMA, ROWS
from spark_jobs.storage.run import Run
from spark_jobs.storage.small_files import read_text
from spark_jobs.subsets.class_list import Class, ClassList, UnknownClassError
from spark_jobs.subsets.draw import count_classes

MOST_ROWS = 10**12  # of a class: sums over all classes fit 64 bits
_COUNTS = (ROWS, CAPTION_COUNT, "count")


def is_frequency_file(address: str) -> bool:
    """Whether an address is of a class-frequency file, not of a table."""
    return address.endswith((".txt", ".tsv"))


def read_targets(
    run: Run, address: str, column: str, count_column: str | None, classes: ClassList
) -> dict[Class, int]:
    """Rows wanted of each class that the target names, in the order of the classes.

    Raises InputDataError with the class at fault where a count is no whole number from 0 to
    MOST_ROWS, a class stands twice, or it is unknown.
    """
    if is_frequency_file(address):
        given = _of_file(read_text(run.spark, address), address)
    else:
        given = _of_table(run.read(address, schemas.EMPTY), address, column, count_column)
    found: dict[Class, int] = {}
    for name, count in given:
        value = _class(name, classes, address)
        if value in found:
            raise InputDataError(f"{address}: class {name!r} stands there twice")
        found[value] = _whole(count, name, address)
    return {value: found[value] for value in classes if value in found}


def _of_file(text: str, address: str) -> list[tuple[object, object]]:
    lines = [line for line in text.split("\n") if line.strip()]
    given: list[tuple[object, object]] = []
    for number, line in enumerate(lines, start=1):
        name, tab, count = line.rstrip("\r").rpartition("\t")
        if not tab:
            raise InputDataError(
                f"{address}, line {number}: expected a class, a tab and a count, found {line!r}"
            )
        given.append((name, count))
    return given


def _of_table(
    rows: DataFrame, address: str, column: str, count_column: str | None
) -> list[tuple[object, object]]:
    """By its column of counts, else the rows of each class."""
    if column not in rows.columns:
        if schemas.CLASS not in rows.columns:
            raise InputDataError(f"{address}: has no column {column!r} of classes")
        column = schemas.CLASS
    if LEMMA in rows.columns and CAPTION_COUNT in rows.columns:
        rows = rows.where(F.col(LEMMA).isNull())  # label-synsets counts lemmas too
    name = count_column or next((name for name in _COUNTS if name in rows.columns), None)
    if name is None:
        return list(count_classes(rows, column).items())
    if name not in rows.columns:
        raise InputDataError(f"{address}: has no column {name!r} of counts")
    counts = rows.where(named(column).isNotNull()).select(named(column), named(name))
    return [(row[0], row[1]) for row in counts.orderBy(named(column)).collect()]


def _class(name: object, classes: ClassList, address: str) -> Class:
    try:
        return classes.value_of(str(name))
    except UnknownClassError as fault:
        raise InputDataError(f"{address}: {fault}") from None


def _whole(count: object, name: object, address: str) -> int:
    try:
        number = Decimal(str(count))
    except InvalidOperation:
        number = Decimal("nan")
    is_whole = number.is_finite() and number == number.to_integral_value()
    if not (is_whole and 0 <= number <= MOST_ROWS):
        raise InputDataError(
            f"{address}: class {name!r} has the count {count}, expected a whole number from 0 to "
            f"{MOST_ROWS:,}"
        )
    return int(number)
