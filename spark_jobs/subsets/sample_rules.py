"""Why each row of a sample stays or goes: the rule, the value it compared, and its threshold."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from spark_jobs.core.columns import free_name, keys, named
from spark_jobs.core.schemas import DRAW, RULE, THRESHOLD, VALUE
from spark_jobs.subsets.class_list import Class
from spark_jobs.subsets.draw import Cutoff, class_table, cutoff_type, is_within_cutoff
from spark_jobs.subsets.sampling import Sampling

# The rules in `decisions`; rows of the first two stay.
DRAWN, RESTORED = "drawn", "restored"
_CLASS, _THRESHOLD, _PER_CLASS, _DRAW = "class", "threshold", "per_class", "draw"

_CLASS_CUTOFF, _OVERALL_CUTOFF, _RESTORED_KEY = "class_cutoff", "overall_cutoff", "restored_key"


class ClassCutoffs(NamedTuple):
    """A class's cutoffs in the draw inside classes and in that of all rows, and its restored key.

    None: the class keeps no row by that draw, or gets none back.
    """

    class_cutoff: Cutoff | None
    overall_cutoff: Cutoff | None
    restored_key: tuple[Any, ...] | None


def with_decision(
    rows: DataFrame,
    cutoffs_of: Mapping[Class, ClassCutoffs],
    sampling: Sampling,
    decision: str,
    *,
    draws_overall: bool,
) -> DataFrame:
    """Add a struct column `decision` of rule, value and threshold to the rows."""
    key_columns = keys(rows)
    cutoff_column = free_name(rows, "_cut")
    fields = [
        StructField(_CLASS_CUTOFF, cutoff_type(rows)),
        StructField(_OVERALL_CUTOFF, cutoff_type(rows)),
        StructField(_RESTORED_KEY, StructType([rows.schema[key] for key in key_columns])),
    ]
    values_by_class = {key: (tuple(class_cutoffs),) for key, class_cutoffs in cutoffs_of.items()}
    table_columns = [StructField(cutoff_column, StructType(fields))]
    table = class_table(rows, sampling.column, values_by_class, table_columns)
    with_cutoffs = rows.join(F.broadcast(table), on=sampling.column, how="left")
    cutoffs = named(cutoff_column)
    is_restored = F.coalesce(F.struct(*key_columns) == cutoffs[_RESTORED_KEY], F.lit(False))
    is_in_class_draw = is_within_cutoff(
        with_cutoffs, cutoffs[_CLASS_CUTOFF], draw=sampling.draw_of_class
    )
    is_in_overall_draw = is_within_cutoff(
        with_cutoffs, cutoffs[_OVERALL_CUTOFF], draw=sampling.draw_of_all
    )
    rule = (
        F.when(cutoffs.isNull(), _CLASS)
        .when(is_restored, RESTORED)
        .when(~sampling.is_over(rows), _THRESHOLD)
        .when(~is_in_class_draw, _PER_CLASS)
        .when(~(is_in_overall_draw if draws_overall else F.lit(True)), _DRAW)
        .otherwise(DRAWN)
    )
    value, threshold = _compared_value_and_threshold(rows, rule, cutoffs, sampling)
    reason = F.struct(rule.alias(RULE), value.alias(VALUE), threshold.alias(THRESHOLD))
    return with_cutoffs.select(*map(named, rows.columns), reason.alias(decision))


def _compared_value_and_threshold(
    rows: DataFrame, rule: Column, cutoffs: Column, sampling: Sampling
) -> tuple[Column, Column]:
    """The number that the rule compared, and the number it compared that with."""
    key_columns = keys(rows)
    similarity = F.lit(None) if sampling.similarity is None else named(sampling.similarity)
    compares_similarity = rule.isin(_THRESHOLD, RESTORED)
    value = (
        F.when(compares_similarity, similarity.cast("double"))
        .when(rule == _PER_CLASS, sampling.draw_of_class.of(*key_columns))
        .when(rule == _DRAW, sampling.draw_of_all.of(*key_columns))
    )
    threshold = (
        F.when(compares_similarity, sampling.least_similarity(rows).cast("double"))
        .when(rule == _PER_CLASS, cutoffs[_CLASS_CUTOFF][DRAW])
        .when(rule == _DRAW, cutoffs[_OVERALL_CUTOFF][DRAW])
    )
    return value, threshold
