"""Rules checked against the columns that they read: all faults, before anything runs."""

from collections.abc import Iterator, Mapping, Sequence

from pyspark.sql.types import BooleanType, DataType, StructType

from spark_jobs.core.column_values import (
    COMPARABLE_TYPES,
    NUMBER_TYPES,
    WHOLE_TYPES,
    TypedValue,
    is_never_equal,
    typed_value,
)
from spark_jobs.core.settings import did_you_mean
from spark_jobs.filtering.rules import AllOf, AnyOf, Comparison, InTable, Rule, TopFraction

_EQUALITIES = ("==", "in", "not_in")


def rule_faults(
    rules: Sequence[Rule], columns: StructType, tables: Mapping[InTable, StructType]
) -> list[str]:
    """A line for each fault, also of rules inside rules: rule, column, type, value, expectation.

    `columns`: of the rows. `tables`: the columns of each table that a rule looks into.
    """
    return [
        f"rule {name}: {fault}"
        for rule in rules
        for name, part in _parts(rule, "")
        for fault in _faults(part, columns, tables)
    ]


def _parts(rule: Rule, outer: str) -> Iterator[tuple[str, Comparison | TopFraction | InTable]]:
    """The simple rules with their names, inner ones behind those that they are in."""
    name = f"{outer}{rule.rule!r}"
    if isinstance(rule, AllOf | AnyOf):
        for part in rule.all_of if isinstance(rule, AllOf) else rule.any_of:
            yield from _parts(part, f"{name}, in it ")
    else:
        yield name, rule


def _faults(
    rule: Comparison | TopFraction | InTable,
    columns: StructType,
    tables: Mapping[InTable, StructType],
) -> Iterator[str]:
    column = rule.key if isinstance(rule, InTable) else rule.column
    if column not in columns.names:
        yield (
            f"the table has no column {column!r}{did_you_mean(column, columns.names)}; "
            f"it has {', '.join(columns.names)}"
        )
        return
    of = columns[column].dataType
    called = f"column {column!r} is {of.simpleString()}"
    match rule:
        case Comparison():
            yield from (f"{called}, {fault}" for fault in _comparison_faults(rule, of))
        case TopFraction():
            if not isinstance(of, NUMBER_TYPES):
                yield f"{called}, expected numbers for top_fraction"
        case InTable():
            yield from _key_faults(rule, of, tables[rule])


def _comparison_faults(rule: Comparison, of: DataType) -> Iterator[str]:
    if rule.op == "is_null":
        return
    if not isinstance(of, COMPARABLE_TYPES):
        yield f"which op {rule.op!r} cannot compare; expected a column of plain values, or is_null"
        return
    if isinstance(of, BooleanType) and rule.op not in _EQUALITIES:
        yield f"which has no order for op {rule.op!r}; expected ==, in or not_in"
        return
    if not rule.values:
        yield f"compared by {rule.op} with []: expected at least one value"
    typed: list[TypedValue] = []
    faults: list[str] = []
    for value in rule.values:
        try:
            if value is None:
                raise ValueError("expected a value; for rows without one write op: is_null")
            typed.append(typed_value(of, value))
            if rule.op in _EQUALITIES and is_never_equal(of, typed[-1]):
                raise ValueError("expected a value that a row can equal, and none has such digits")
        except ValueError as fault:
            faults.append(f"compared by {rule.op} with {value!r}: {fault}")
    if len(faults) > 1:
        faults = [f"{faults[0]} (and {len(faults) - 1:,} more of its values)"]
    yield from faults
    if rule.op == "between" and len(typed) == 2:
        yield from _bound_faults(*typed)


def _bound_faults(low: TypedValue, high: TypedValue) -> Iterator[str]:
    try:
        if low > high:  # type: ignore[operator]
            yield f"compared by between with {low!s} and {high!s}: expected the smaller bound first"
    except TypeError:  # of times, one in a zone and one in none
        yield f"compared by between with {low!s} and {high!s}: expected a zone in both or in none"


def _key_faults(rule: InTable, of: DataType, table: StructType) -> Iterator[str]:
    if rule.key not in table.names:
        yield (
            f"table {rule.in_table} has no column {rule.key!r}"
            f"{did_you_mean(rule.key, table.names)}; it has {', '.join(table.names) or 'none'}"
        )
        return
    there = table[rule.key].dataType
    are_whole = isinstance(of, WHOLE_TYPES) and isinstance(there, WHOLE_TYPES)
    if not isinstance(of, COMPARABLE_TYPES) or not (are_whole or of == there):
        yield (
            f"column {rule.key!r} is {of.simpleString()}, and {there.simpleString()} in table "
            f"{rule.in_table}; expected plain values of one type"
        )
