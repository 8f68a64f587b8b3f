"""Target counts per class: from a class-frequency file, a table of counts, or another data set."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.arrow_mapping import with_valid_text
from spark_jobs.core.columns import named
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION_COUNT, LEMMA, ROWS
from spark_jobs.storage.run import Run
from spark_jobs.storage.small_files import read_text
from spark_jobs.subsets.class_list import Class, ClassList, UnknownClassError
from spark_jobs.subsets.draw import count_classes
from spark_jobs.subsets.imagenet_classes import imagenet1k

MAX_ROWS_PER_CLASS = 10**12  # so that sums over all classes fit into 64 bits
_COUNT_COLUMNS = (ROWS, CAPTION_COUNT, "count")


def is_frequency_file(address: str) -> bool:
    """Whether the address is that of a class-frequency file rather than a table."""
    return address.endswith((".txt", ".tsv"))


def read_targets(
    run: Run, address: str, column: str, count_column: str | None, classes: ClassList
) -> dict[Class, int]:
    """Target rows of each class that the target lists, in the order of `classes`.

    Raises InputDataError naming the class if a count is not a whole number from 0 to
    MAX_ROWS_PER_CLASS, or a class is repeated or unknown.
    """
    name_counts = _read_name_counts(run, address, column, count_column)
    values = [_class_value(name, classes, address) for name, _ in name_counts]
    return _by_class(values, name_counts, classes, address)


def read_frequencies(
    run: Run, address: str, column: str, count_column: str | None, classes: ClassList
) -> tuple[dict[Class, int], list[str]]:
    """(rows of the classes that are listed, in order; the other classes that are listed).

    Raises InputDataError like `read_targets`, but not for classes that are unknown, unless all are.
    """
    name_counts = _read_name_counts(run, address, column, count_column)
    values: list[Class | None] = []
    others: list[str] = []
    fault = ""
    for name, _ in name_counts:
        try:
            values.append(classes.value_of(str(name)))
        except UnknownClassError as error:
            values.append(None)
            others.append(str(name))
            fault = fault or str(error)
    if len(others) == len(values):
        raise InputDataError(f"{address}: has none of the classes; {fault or 'it is empty'}")
    return _by_class(values, name_counts, classes, address), others


def _by_class(
    values: Sequence[Class | None],
    name_counts: Sequence[tuple[object, object]],
    classes: ClassList,
    address: str,
) -> dict[Class, int]:
    """Class -> count, in the order of `classes`; a value that is None has no class."""
    rows_of_class: dict[Class, int] = {}
    for value, (name, count) in zip(values, name_counts, strict=True):
        if value is None:
            continue
        if value in rows_of_class:
            raise InputDataError(f"{address}: class {name!r} stands there twice")
        rows_of_class[value] = _whole_count(count, name, address)
    return {value: rows_of_class[value] for value in classes if value in rows_of_class}


def _read_name_counts(
    run: Run, address: str, column: str, count_column: str | None
) -> list[tuple[object, object]]:
    if is_frequency_file(address):
        return _read_frequency_file(read_text(run.spark, address), address)
    return _read_counts(run.read(address, schemas.EMPTY), address, column, count_column)


def _read_frequency_file(text: str, address: str) -> list[tuple[object, object]]:
    lines = [line for line in text.split("\n") if line.strip()]
    name_counts: list[tuple[object, object]] = []
    for number, line in enumerate(lines, start=1):
        name, tab, count = line.rstrip("\r").rpartition("\t")
        if not tab:
            raise InputDataError(
                f"{address}, line {number}: expected a class, a tab and a count, found {line!r}"
            )
        name_counts.append((name, count))
    return name_counts


def _read_counts(
    rows: DataFrame, address: str, column: str, count_column: str | None
) -> list[tuple[object, object]]:
    """(class, count) pairs from the column of counts; without one, rows are counted per class."""
    if column not in rows.columns:
        if schemas.CLASS not in rows.columns:
            raise InputDataError(f"{address}: has no column {column!r} of classes")
        column = schemas.CLASS
    if LEMMA in rows.columns and CAPTION_COUNT in rows.columns:
        rows = rows.where(F.col(LEMMA).isNull())  # label-synsets counts lemmas too
    name = count_column or next((name for name in _COUNT_COLUMNS if name in rows.columns), None)
    if name is None:
        return list(count_classes(rows, column).items())
    if name not in rows.columns:
        raise InputDataError(f"{address}: has no column {name!r} of counts")
    counts = rows.where(named(column).isNotNull()).select(named(column), named(name))
    ordered = with_valid_text(counts.orderBy(named(column)))
    return [(row[0], row[1]) for row in ordered.collect()]


def _class_value(name: object, classes: ClassList, address: str) -> Class:
    try:
        return classes.value_of(str(name))
    except UnknownClassError as fault:
        hint = (
            _imagenet_hint(str(name))
            or "; the sources have no row of it: take it out of the target"
        )
        raise InputDataError(f"{address}: {fault}{hint}") from None


def _imagenet_hint(name: str) -> str:
    """What to give where the target names its classes as ImageNet does, and the sources do not."""
    try:
        imagenet1k(by_index=False).value_of(name)
    except UnknownClassError:
        return ""
    return (
        "; it is a class of ImageNet: give --class-names imagenet1k, where the sources hold wnids "
        "or ImageNet's labels 0 to 999"
    )


def _whole_count(count: object, name: object, address: str) -> int:
    try:
        number = Decimal(str(count))
    except InvalidOperation:
        number = Decimal("nan")
    is_whole = number.is_finite() and number == number.to_integral_value()
    if not (is_whole and 0 <= number <= MAX_ROWS_PER_CLASS):
        raise InputDataError(
            f"{address}: class {name!r} has the count {count}, expected a whole number from 0 to "
            f"{MAX_ROWS_PER_CLASS:,}"
        )
    return int(number)
