"""Check rules against the columns that they read, and list all faults before anything runs."""

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
from spark_jobs.filtering.rules import (
    AllOf,
    AnyOf,
    Comparison,
    InTable,
    Rule,
    SimpleRule,
    TopFraction,
)

_EQUALITIES = ("==", "in", "not_in")


def rule_faults(
    rules: Sequence[Rule], columns: StructType, tables: Mapping[InTable, StructType]
) -> list[str]:
    """A line for each fault, nested rules included: rule, column, type, value, what was expected.

    `columns`: schema of the rows. `tables`: schema of the table of each in_table rule.
    """
    return [
        f"rule {name}: {fault}"
        for rule in rules
        for name, simple_rule in _named_simple_rules(rule, "")
        for fault in _faults(simple_rule, columns, tables)
    ]


def _named_simple_rules(rule: Rule, prefix: str) -> Iterator[tuple[str, SimpleRule]]:
    """The simple rules in a rule, each with its name after those of the rules around it."""
    name = f"{prefix}{rule.rule!r}"
    if isinstance(rule, AllOf | AnyOf):
        for part in rule.all_of if isinstance(rule, AllOf) else rule.any_of:
            yield from _named_simple_rules(part, f"{name}, in it ")
    else:
        yield name, rule


def _faults(
    rule: SimpleRule, columns: StructType, tables: Mapping[InTable, StructType]
) -> Iterator[str]:
    column = rule.key if isinstance(rule, InTable) else rule.column
    if column not in columns.names:
        yield (
            f"the table has no column {column!r}{did_you_mean(column, columns.names)}; "
            f"it has {', '.join(columns.names)}"
        )
        return
    column_type = columns[column].dataType
    column_is = f"column {column!r} is {column_type.simpleString()}"
    match rule:
        case Comparison():
            yield from (f"{column_is}, {fault}" for fault in _comparison_faults(rule, column_type))
        case TopFraction():
            if not isinstance(column_type, NUMBER_TYPES):
                yield f"{column_is}, expected numbers for top_fraction"
        case InTable():
            yield from _key_faults(rule, column_type, tables[rule])


def _comparison_faults(rule: Comparison, column_type: DataType) -> Iterator[str]:
    if rule.op == "is_null":
        return
    if not isinstance(column_type, COMPARABLE_TYPES):
        yield f"which op {rule.op!r} cannot compare; expected a column of plain values, or is_null"
        return
    if isinstance(column_type, BooleanType) and rule.op not in _EQUALITIES:
        yield f"which has no order for op {rule.op!r}; expected ==, in or not_in"
        return
    if not rule.values:
        yield f"compared by {rule.op} with []: expected at least one value"
    typed_values: list[TypedValue] = []
    faults: list[str] = []
    for value in rule.values:
        try:
            if value is None:
                raise ValueError("expected a value; for null write op: is_null, value: true")
            typed_values.append(typed_value(column_type, value))
            if rule.op in _EQUALITIES and is_never_equal(column_type, typed_values[-1]):
                raise ValueError("expected a value that a row can equal, and none has such digits")
        except ValueError as fault:
            faults.append(f"compared by {rule.op} with {value!r}: {fault}")
    if len(faults) > 1:
        faults = [f"{faults[0]} (and {len(faults) - 1:,} more of its values)"]
    yield from faults
    if rule.op == "between" and len(typed_values) == 2:
        yield from _bound_faults(*typed_values)


def _bound_faults(low: TypedValue, high: TypedValue) -> Iterator[str]:
    try:
        if low > high:  # type: ignore[operator]
            yield f"compared by between with {low!s} and {high!s}: expected the smaller bound first"
    except TypeError:  # timestamps of which only one has a time zone
        yield f"compared by between with {low!s} and {high!s}: expected a zone in both or in none"


def _key_faults(rule: InTable, column_type: DataType, table: StructType) -> Iterator[str]:
    """Faults of the key: missing in the table, or of another type there."""
    if rule.key not in table.names:
        yield (
            f"table {rule.in_table} has no column {rule.key!r}"
            f"{did_you_mean(rule.key, table.names)}; it has {', '.join(table.names) or 'none'}"
        )
        return
    table_type = table[rule.key].dataType
    are_whole = isinstance(column_type, WHOLE_TYPES) and isinstance(table_type, WHOLE_TYPES)
    is_same_type = are_whole or column_type == table_type
    if not isinstance(column_type, COMPARABLE_TYPES) or not is_same_type:
        yield (
            f"column {rule.key!r} is {column_type.simpleString()}, and "
            f"{table_type.simpleString()} in table {rule.in_table}; expected plain values of one "
            "type"
        )
