"""Rows held against rules: which rule a row fails first, by which value and threshold."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_, or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.filtering.rules import (
    AllOf,
    AnyOf,
    Comparison,
    InTable,
    Rule,
    TopFraction,
    parts,
)
from spark_jobs.schemas import RULE, THRESHOLD, VALUE

_IN_TABLE = "_in_table_{}"


def first_failed(
    rows: DataFrame,
    rules: Sequence[Rule],
    *,
    thresholds: Mapping[TopFraction, float | None],
    tables: Mapping[InTable, DataFrame],
) -> DataFrame:
    """The rows with the first rule that each fails, null where it passes them all.

    Columns rule, value and threshold: of a comparison with a number and of a share, the row's value
    and what it was held against. `thresholds`: the smallest value that passes a share, None where
    no row has one. `tables`: the tables of the rules that look into one, each of distinct keys.
    """
    inside: dict[InTable, str] = {}
    for position, (lookup, table) in enumerate(tables.items()):
        inside[lookup] = _IN_TABLE.format(position)
        known = table.select(table[lookup.key].alias("_key")).distinct()
        known = known.withColumn(inside[lookup], F.lit(True))
        rows = rows.join(known, on=rows[lookup.key] == known["_key"], how="left").drop("_key")

    def passes(rule: Rule) -> Column:
        match rule:
            case Comparison():
                return _compared(rule)
            case TopFraction():
                bound = thresholds[rule]
                column = F.col(rule.column)
                return F.lit(False) if bound is None else (column >= bound) & _is_number(column)
            case InTable():
                return F.col(inside[rule]).isNotNull()
            case AllOf():
                return reduce(and_, map(passes, rule.all_of))
            case AnyOf():
                return reduce(or_, map(passes, rule.any_of))

    reason = value = threshold = F.lit(None)
    for rule in reversed(rules):
        held, against = _held(rule, thresholds)
        is_passed = F.coalesce(passes(rule), F.lit(False))
        reason = F.when(is_passed, reason).otherwise(F.lit(rule.rule))
        value = F.when(is_passed, value).otherwise(held)
        threshold = F.when(is_passed, threshold).otherwise(against)
    return rows.select(
        "*",
        reason.cast("string").alias(RULE),
        value.cast("double").alias(VALUE),
        threshold.cast("double").alias(THRESHOLD),
    ).drop(*inside.values())


def _compared(rule: Comparison) -> Column:
    column, value = F.col(rule.column), rule.value
    if rule.op == "is_null":
        return column.isNull() if value else column.isNotNull()
    if isinstance(value, list):
        if rule.op == "between":
            return column.between(*value)
        return column.isin(value) if rule.op == "in" else ~column.isin(value)
    is_numeric = isinstance(value, int | float) and not isinstance(value, bool)
    compared = {
        ">": column > value,
        ">=": column >= value,
        "<": column < value,
        "<=": column <= value,
        "==": column == value,
    }
    return compared[rule.op] & _is_number(column) if is_numeric else compared[rule.op]


def _is_number(column: Column) -> Column:
    """False for NaN, which Spark has above all numbers, though it passes no threshold."""
    return ~F.isnan(column.cast("double"))


def _held(rule: Rule, thresholds: Mapping[TopFraction, float | None]) -> tuple[Column, Column]:
    """The value of a row and the number that it is held against, null where there is none."""
    match rule:
        case Comparison(value=bool()):
            pass
        case Comparison(value=int() | float()):
            return F.col(rule.column).cast("double"), F.lit(float(rule.value))  # type: ignore[arg-type]
        case TopFraction():
            return F.col(rule.column).cast("double"), F.lit(thresholds[rule])
    return F.lit(None), F.lit(None)


def shares(rules: Sequence[Rule]) -> list[TopFraction]:
    """Every rule about a share of the rows, also inside others."""
    return [part for rule in rules for part in parts(rule) if isinstance(part, TopFraction)]


def lookups(rules: Sequence[Rule]) -> list[InTable]:
    """Every rule that looks into a table, also inside others."""
    return [part for rule in rules for part in parts(rule) if isinstance(part, InTable)]
