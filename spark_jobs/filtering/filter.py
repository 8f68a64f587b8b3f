"""Apply rules to rows: the first rule that each row fails, with its value and threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import and_, or_
from typing import TypeAlias

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DataType, DoubleType, FloatType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.column_values import NUMBER_TYPES, TypedValue, typed_literal, typed_value
from spark_jobs.core.columns import free_name, named
from spark_jobs.filtering.listed_values import MOST_LITERALS, listed_values
from spark_jobs.filtering.measures import measured
from spark_jobs.filtering.rule_results import Keeping, Marking, RuleResults, Step
from spark_jobs.filtering.rules import (
    AllOf,
    AnyOf,
    Comparison,
    FirstSynset,
    InTable,
    Measure,
    Rule,
    TopFraction,
    rules_of_kind,
)
from udfs.text.listed_words import (
    ListedWords,
    add_has_listed_word,
    keep_with_listed_word,
    listed_words,
)

PAPERS = (
    "DataComp, baselines: rows by rules on text, size and score",
    "DataComp, text-based filtering: a word's first WordNet synset is one of ImageNet-21k",
)


# What has a helper column: rules, what is measured, and (column, values) of a long list.
_LongList: TypeAlias = tuple[str, tuple[TypedValue, ...]]
_Helped: TypeAlias = InTable | FirstSynset | tuple[str, ...] | _LongList


@dataclass(frozen=True)
class _Context:
    """What conditions on rows need: column types, bounds of top_fraction, helper columns of rules.

    `helpers`: name of the column of an in_table rule, true where the table has the key, else null;
    of a comparison with a long list, true where the list has the value, else null; of a
    first_synset_in rule, whether a word has; of what measure rules measure.
    """

    types: Mapping[str, DataType]
    bounds: Mapping[TopFraction, TypedValue | None]
    helpers: Mapping[_Helped, str]


def apply_rules(
    rows: DataFrame,
    rules: Sequence[Rule],
    *,
    bounds: Mapping[TopFraction, TypedValue | None],
    tables: Mapping[InTable, DataFrame],
    words: Mapping[FirstSynset, Sequence[str]],
) -> RuleResults:
    """Find the first rule that each row fails; the rules must have no faults (checks.py).

    `bounds`: the smallest value that passes a top_fraction rule, None if no row has a value.
    `tables`: the table of each in_table rule. `words`: those of each first_synset_in rule.
    """
    tables_of_words = {rule: listed_words(of_rule) for rule, of_rule in words.items()}
    inputs = _RuleInputs(bounds, tables, tables_of_words)
    parts = _divided(rules)
    steps = [_step(part, inputs) for part in parts] if len(parts) > 1 else []
    return replace(_judge(rows, rules, inputs), steps=steps)


@dataclass(frozen=True)
class _RuleInputs:
    """What rules need beside the rows."""

    bounds: Mapping[TopFraction, TypedValue | None]
    tables: Mapping[InTable, DataFrame]
    words: Mapping[FirstSynset, ListedWords]


def _divided(rules: Sequence[Rule]) -> list[list[Rule]]:
    """The rules in their order: each that joins or looks at words alone, the others together."""
    parts: list[list[Rule]] = []
    after_costly = True
    for rule in rules:
        is_costly = bool(rules_of_kind([rule], InTable) or rules_of_kind([rule], FirstSynset))
        if is_costly or after_costly:
            parts.append([])
        parts[-1].append(rule)
        after_costly = is_costly
    return parts


def _step(rules: Sequence[Rule], inputs: _RuleInputs) -> Step:
    keep_alone = None
    match rules:
        case [FirstSynset() as synset]:
            keep = keep_with_listed_word(inputs.words[synset], text=synset.column)
            return Keeping(synset.rule, lambda rows: map_in_arrow(rows, keep, rows.schema))
        case [InTable() as in_table]:
            keys = _keys(in_table, inputs.tables[in_table])
            # Its join may end where the keys do, before it has read all rows.
            keep_alone = partial(_keep_rows_in_table, rule=in_table, keys=keys)
    names = [rule.rule for rule in rules]
    return Marking(names, lambda rows: _judge(rows, rules, inputs), keep_alone)


def _keep_rows_in_table(rows: DataFrame, rule: InTable, keys: DataFrame) -> DataFrame:
    key = free_name(rows, "_key")
    renamed = keys.select(named(rule.key).alias(key))
    return rows.join(renamed, on=named(rule.key) == named(key), how="left_semi")


def _judge(source: DataFrame, rules: Sequence[Rule], inputs: _RuleInputs) -> RuleResults:
    """The first of the rules that each row fails, all of them on all rows."""
    rows = source
    helpers: dict[_Helped, str] = {}
    for synset_rule in rules_of_kind(rules, FirstSynset):
        helpers[synset_rule] = free_name(rows, "_has_word")
        words = inputs.words[synset_rule]
        rows = _mark_rows_with_word(rows, synset_rule.column, words, helpers[synset_rule])
    for table_rule in rules_of_kind(rules, InTable):
        helpers[table_rule] = free_name(rows, "_in_table")
        table = inputs.tables[table_rule]
        rows = _mark_rows_in_table(rows, table_rule, table, helpers[table_rule])
    for measure in rules_of_kind(rules, Measure):
        if measure.measured not in helpers:
            helpers[measure.measured] = free_name(rows, f"_{measure.measure}")
            rows = rows.withColumn(helpers[measure.measured], measured(measure))
    types = {field.name: field.dataType for field in rows.schema}
    for comparison in _comparisons(rules, helpers):
        long_list = _long_list(comparison, types[comparison.column])
        if long_list is not None and long_list not in helpers:
            helpers[long_list] = free_name(rows, "_in_list")
            rows = _mark_listed_rows(rows, long_list, helpers[long_list])
    context = _Context(types, inputs.bounds, helpers)
    failed_rule = value = threshold = F.lit(None)
    for rule in reversed(rules):
        rule_value, rule_threshold = _value_and_threshold(rule, context)
        is_passed = F.coalesce(_passes(rule, context), F.lit(False))
        failed_rule = F.when(is_passed, failed_rule).otherwise(F.lit(rule.rule))
        value = F.when(is_passed, value).otherwise(rule_value)
        threshold = F.when(is_passed, threshold).otherwise(rule_threshold)
    columns = failed_rule.cast("string"), value.cast("double"), threshold.cast("double")
    return RuleResults(source, rows, *columns, helper_columns=[*helpers.values()])


def _mark_rows_with_word(rows: DataFrame, text: str, words: ListedWords, column: str) -> DataFrame:
    """Add a column: whether the text has one of the words."""
    columns = StructType([*rows.schema, StructField(column, BooleanType())])
    return map_in_arrow(rows, add_has_listed_word(words, text=text, column=column), columns)


def _mark_rows_in_table(rows: DataFrame, rule: InTable, table: DataFrame, column: str) -> DataFrame:
    """Add a column that is true where the table has the row's key, else null."""
    key = free_name(rows, f"{column}_key")
    keys = _keys(rule, table).select(named(rule.key).alias(key)).distinct()
    return _mark_rows_with_key(rows, rule.key, keys, column)


def _keys(rule: InTable, table: DataFrame) -> DataFrame:
    """The keys of the table's rows that count, in their column; they may repeat."""
    keys = table.where(_has_value(named(rule.key), table.schema[rule.key].dataType))
    if rule.where is not None:
        keys = keys.where(named(rule.where))
    return keys.select(named(rule.key))


def _mark_listed_rows(rows: DataFrame, long_list: _LongList, column: str) -> DataFrame:
    """Add a column that is true where the list has the row's value, else null."""
    name, values = long_list
    key = free_name(rows, f"{column}_key")
    keys = listed_values(rows, rows.schema[name].dataType, values, key)
    return _mark_rows_with_key(rows, name, F.broadcast(keys), column)


def _mark_rows_with_key(rows: DataFrame, name: str, keys: DataFrame, column: str) -> DataFrame:
    """Add a column that is true where the one column of `keys` has the row's value, else null."""
    [key] = keys.columns
    marked_keys = keys.withColumn(column, F.lit(True))
    return rows.join(marked_keys, on=named(name) == named(key), how="left").drop(key)


def _comparisons(rules: Sequence[Rule], helpers: Mapping[_Helped, str]) -> list[Comparison]:
    """All comparisons of the rules, of what is measured too."""
    measures = [_of_helper(measure, helpers) for measure in rules_of_kind(rules, Measure)]
    return [*rules_of_kind(rules, Comparison), *measures]


def _long_list(rule: Comparison, column_type: DataType) -> _LongList | None:
    """Column and values of a rule that compares with more values than literals are made of."""
    if rule.op not in ("in", "not_in") or len(rule.values) <= MOST_LITERALS:
        return None
    return rule.column, tuple(_typed_values(rule, column_type))


def _passes(rule: Rule, context: _Context) -> Column:
    """Whether a row passes the rule; may be null, which means that it does not."""
    match rule:
        case Comparison():
            return _comparison(rule, context)
        case TopFraction():
            column_type, bound = context.types[rule.column], context.bounds[rule]
            if bound is None:
                return F.lit(False)
            column = named(rule.column)
            return (column >= typed_literal(column_type, bound)) & _has_value(column, column_type)
        case InTable():
            return named(context.helpers[rule]).isNotNull()
        case FirstSynset():
            return named(context.helpers[rule])
        case Measure():
            return _comparison(_of_helper(rule, context.helpers), context)
        case AllOf():
            return reduce(and_, (_passes(part, context) for part in rule.all_of))
        case AnyOf():
            return reduce(or_, (_passes(part, context) for part in rule.any_of))


def _of_helper(rule: Measure, helpers: Mapping[_Helped, str]) -> Comparison:
    """The comparison of the column of what is measured."""
    column = helpers[rule.measured]
    return Comparison(rule=rule.rule, column=column, op=rule.op, value=rule.value)


def _comparison(rule: Comparison, context: _Context) -> Column:
    column, column_type = named(rule.column), context.types[rule.column]
    if rule.op == "is_null":
        return column.isNull() if rule.value else column.isNotNull()
    if long_list := _long_list(rule, column_type):
        is_listed = named(context.helpers[long_list]).isNotNull()
        return (is_listed if rule.op == "in" else ~is_listed) & _has_value(column, column_type)
    literals = [typed_literal(column_type, value) for value in _typed_values(rule, column_type)]
    first, last = literals[0], literals[-1]
    # Spark looks up longer lists in a set, in which -0.0 is not 0.0; adding 0.0 turns -0.0 to 0.0.
    is_float = isinstance(column_type, FloatType | DoubleType)
    without_negative_zero = column + F.lit(0.0).cast(column_type) if is_float else column
    conditions = {
        ">": lambda: column > first,
        ">=": lambda: column >= first,
        "<": lambda: column < first,
        "<=": lambda: column <= first,
        "==": lambda: column == first,
        "between": lambda: column.between(first, last),
        "in": lambda: without_negative_zero.isin(*literals),
        "not_in": lambda: ~without_negative_zero.isin(*literals),
    }
    # A null compares to null, which does not pass. Where the optimizer puts what is measured in the
    # place of its column, each further mention computes it once more.
    condition = conditions[rule.op]()
    return condition & ~F.isnan(column) if is_float else condition


def _typed_values(rule: Comparison, column_type: DataType) -> list[TypedValue]:
    """The values of the rule in the type of the column, with 0.0 for -0.0."""
    values = [typed_value(column_type, value) for value in rule.values if value is not None]
    return [value + 0.0 if isinstance(value, float) else value for value in values]


def _has_value(column: Column, column_type: DataType) -> Column:
    """False for null and NaN; Spark sorts NaN above all numbers and takes it to equal itself."""
    is_float = isinstance(column_type, FloatType | DoubleType)
    return column.isNotNull() & ~F.isnan(column) if is_float else column.isNotNull()


def _value_and_threshold(rule: Rule, context: _Context) -> tuple[Column, Column]:
    """The number in a row and the number that it is compared with; null if the rule has none."""
    none = F.lit(None)
    if isinstance(rule, Measure):
        rule = _of_helper(rule, context.helpers)
    if isinstance(rule, Comparison):
        column_type = context.types[rule.column]
        has_one_number = isinstance(column_type, NUMBER_TYPES) and len(rule.values) == 1
        if rule.op == "is_null" or not has_one_number:
            return none, none
        threshold: TypedValue | None = _typed_values(rule, column_type)[0]
    elif isinstance(rule, TopFraction):
        column_type, threshold = context.types[rule.column], context.bounds[rule]
    else:
        return none, none
    literal = none if threshold is None else typed_literal(column_type, threshold)
    return named(rule.column).cast("double"), literal.cast("double")
