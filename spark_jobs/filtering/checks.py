"""Check rules against the columns that they read, and list all faults before anything runs."""

from collections.abc import Iterator, Mapping, Sequence

from pyspark.sql.types import (
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    StringType,
    StructType,
)

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
    FirstSynset,
    InTable,
    Measure,
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
    missing = [column for column in _columns_of(rule) if column not in columns.names]
    for column in missing:
        yield (
            f"the table has no column {column!r}{did_you_mean(column, columns.names)}; "
            f"it has {', '.join(columns.names)}"
        )
    if missing:
        return
    types = {column: columns[column].dataType for column in _columns_of(rule)}
    column, column_type = next(iter(types.items()))
    column_is = f"column {column!r} is {column_type.simpleString()}"
    match rule:
        case Comparison():
            yield from (f"{column_is}, {fault}" for fault in _comparison_faults(rule, column_type))
        case TopFraction():
            if not isinstance(column_type, NUMBER_TYPES):
                yield f"{column_is}, expected numbers for top_fraction"
        case InTable():
            yield from _key_faults(rule, column_type, tables[rule])
        case FirstSynset():
            if not isinstance(column_type, StringType):
                yield f"{column_is}, expected text for first_synset_in"
        case Measure():
            yield from _measure_faults(rule, types)


def _columns_of(rule: SimpleRule) -> Sequence[str]:
    """The columns that a rule reads."""
    match rule:
        case InTable():
            return [rule.key]
        case Measure():
            return rule.columns
        case _:
            return [rule.column]


def _measure_faults(rule: Measure, types: Mapping[str, DataType]) -> Iterator[str]:
    """Faults of the columns measured, and of what the measure is compared with."""
    wanted, expected = (StringType, "text") if rule.is_of_text else (NUMBER_TYPES, "numbers")
    for column, column_type in types.items():
        if not isinstance(column_type, wanted):
            yield (
                f"column {column!r} is {column_type.simpleString()}, expected {expected} for "
                f"measure {rule.measure}"
            )
    if rule.measure == "aspect_ratio":
        measure_type: DataType = DoubleType()
    else:  # a number of any type may be compared with a side
        measure_type = IntegerType() if rule.is_of_text else next(iter(types.values()))
    if isinstance(measure_type, NUMBER_TYPES):
        faults = _comparison_faults(rule, measure_type)
        yield from (f"{rule.measure} are {measure_type.simpleString()}, {f}" for f in faults)


def _comparison_faults(rule: Comparison | Measure, column_type: DataType) -> Iterator[str]:
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
    if rule.where is not None:
        where_type = table[rule.where].dataType if rule.where in table.names else None
        if not isinstance(where_type, BooleanType):
            found = "is not there" if where_type is None else f"is {where_type.simpleString()}"
            yield f"column {rule.where!r} of table {rule.in_table} {found}, expected a boolean one"
    table_type = table[rule.key].dataType
    are_whole = isinstance(column_type, WHOLE_TYPES) and isinstance(table_type, WHOLE_TYPES)
    is_same_type = are_whole or column_type == table_type
    if not isinstance(column_type, COMPARABLE_TYPES) or not is_same_type:
        yield (
            f"column {rule.key!r} is {column_type.simpleString()}, and "
            f"{table_type.simpleString()} in table {rule.in_table}; expected plain values of one "
            "type"
        )
