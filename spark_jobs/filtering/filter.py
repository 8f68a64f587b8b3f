"""Rows held against rules: which rule a row fails first, by which value and threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, FloatType

from spark_jobs.core.column_values import NUMBER_TYPES, TypedValue, typed_literal, typed_value
from spark_jobs.core.columns import free_name, named
from spark_jobs.filtering.rules import (
    AllOf,
    AnyOf,
    Comparison,
    InTable,
    Rule,
    TopFraction,
    simple_parts,
)


@dataclass(frozen=True)
class Judged:
    """Rows, and for each the first rule that it fails, as columns over them.

    `rule`: its name, null where the row passes them all. `value`, `threshold`: doubles; of a
    comparison with one number, and of a share, what the row has and what it was compared with.
    `marks`: columns of `rows` that only serve these.
    """

    rows: DataFrame
    rule: Column
    value: Column
    threshold: Column
    marks: Sequence[str]

    def kept(self) -> DataFrame:
        """The rows that pass every rule, as they came."""
        return self.rows.where(self.rule.isNull()).drop(*self.marks)


@dataclass(frozen=True)
class _Context:
    """What conditions on rows need: the columns' types, bounds of shares, marks of tables."""

    types: Mapping[str, DataType]
    bounds: Mapping[TopFraction, TypedValue | None]
    marks: Mapping[InTable, str]


def judge(
    rows: DataFrame,
    rules: Sequence[Rule],
    *,
    bounds: Mapping[TopFraction, TypedValue | None],
    tables: Mapping[InTable, DataFrame],
) -> Judged:
    """The rows with the first rule that each fails.

    The rules are free of faults (checks.py). `bounds`: the smallest value that passes a share, None
    where no row has one. `tables`: the tables of the rules that look into one.
    """
    marks: dict[InTable, str] = {}
    for lookup, table in tables.items():
        marks[lookup] = free_name(rows, "_in_table")
        rows = _marked(rows, lookup, table, marks[lookup])
    context = _Context({field.name: field.dataType for field in rows.schema}, bounds, marks)
    reason = value = threshold = F.lit(None)
    for rule in reversed(rules):
        held, against = _value_and_threshold(rule, context)
        is_passed = F.coalesce(_passes(rule, context), F.lit(False))
        reason = F.when(is_passed, reason).otherwise(F.lit(rule.rule))
        value = F.when(is_passed, value).otherwise(held)
        threshold = F.when(is_passed, threshold).otherwise(against)
    columns = reason.cast("string"), value.cast("double"), threshold.cast("double")
    return Judged(rows, *columns, marks=[*marks.values()])


def shares(rules: Sequence[Rule]) -> list[TopFraction]:
    """Every rule about a share of the rows, once, also inside others."""
    parts = (part for rule in rules for part in simple_parts(rule))
    return list(dict.fromkeys(part for part in parts if isinstance(part, TopFraction)))


def lookups(rules: Sequence[Rule]) -> list[InTable]:
    """Every rule that looks into a table, once, also inside others."""
    parts = (part for rule in rules for part in simple_parts(rule))
    return list(dict.fromkeys(part for part in parts if isinstance(part, InTable)))


def _marked(rows: DataFrame, lookup: InTable, table: DataFrame, mark: str) -> DataFrame:
    """The rows with a column that is true where their key stands in the table."""
    key = free_name(rows, f"{mark}_key")
    keys = table.where(_is_value(named(lookup.key), table.schema[lookup.key].dataType))
    keys = keys.select(named(lookup.key).alias(key)).distinct().withColumn(mark, F.lit(True))
    return rows.join(keys, on=named(lookup.key) == named(key), how="left").drop(key)


def _passes(rule: Rule, context: _Context) -> Column:
    match rule:
        case Comparison():
            return _compared(rule, context.types[rule.column])
        case TopFraction():
            of, bound = context.types[rule.column], context.bounds[rule]
            if bound is None:
                return F.lit(False)
            column = named(rule.column)
            return (column >= typed_literal(of, bound)) & _is_value(column, of)
        case InTable():
            return named(context.marks[rule]).isNotNull()
        case AllOf():
            return reduce(and_, (_passes(part, context) for part in rule.all_of))
        case AnyOf():
            return reduce(or_, (_passes(part, context) for part in rule.any_of))


def _compared(rule: Comparison, of: DataType) -> Column:
    column = named(rule.column)
    if rule.op == "is_null":
        return column.isNull() if rule.value else column.isNotNull()
    literals = [typed_literal(of, typed) for typed in _typed(rule, of)]
    first, last = literals[0], literals[-1]
    # Spark looks longer lists up in a set, in which -0.0 is not 0.0.
    unsigned = column + F.lit(0.0).cast(of) if isinstance(of, FloatType | DoubleType) else column
    compared = {
        ">": lambda: column > first,
        ">=": lambda: column >= first,
        "<": lambda: column < first,
        "<=": lambda: column <= first,
        "==": lambda: column == first,
        "between": lambda: column.between(first, last),
        "in": lambda: unsigned.isin(*literals),
        "not_in": lambda: ~unsigned.isin(*literals),
    }
    return compared[rule.op]() & _is_value(column, of)


def _typed(rule: Comparison, of: DataType) -> list[TypedValue]:
    typed = [typed_value(of, value) for value in rule.values if value is not None]
    return [value + 0.0 if isinstance(value, float) else value for value in typed]


def _is_value(column: Column, of: DataType) -> Column:
    """False for null and for NaN, which Spark has above all numbers and equal to itself."""
    is_float = isinstance(of, FloatType | DoubleType)
    return column.isNotNull() & ~F.isnan(column) if is_float else column.isNotNull()


def _value_and_threshold(rule: Rule, context: _Context) -> tuple[Column, Column]:
    """The number of a row and the one that it is compared with, null where there is none."""
    none = F.lit(None)
    if isinstance(rule, Comparison):
        of = context.types[rule.column]
        if rule.op == "is_null" or not isinstance(of, NUMBER_TYPES) or len(rule.values) != 1:
            return none, none
        threshold: TypedValue | None = _typed(rule, of)[0]
    elif isinstance(rule, TopFraction):
        of, threshold = context.types[rule.column], context.bounds[rule]
    else:
        return none, none
    against = none if threshold is None else typed_literal(of, threshold)
    return named(rule.column).cast("double"), against.cast("double")
