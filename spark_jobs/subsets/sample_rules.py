"""Why each row of a sample stays or goes: its rule, what that looked at, and against what."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from spark_jobs.core.columns import free_name, keys, named
from spark_jobs.core.schemas import DRAW, RULE, THRESHOLD, VALUE
from spark_jobs.subsets.class_list import Class
from spark_jobs.subsets.draw import Place, class_table, is_drawn, place_kind
from spark_jobs.subsets.sampling import Sampling

# The rules in `decisions`; rows of the first two stay.
DRAWN, RESTORED = "drawn", "restored"
_CLASS, _THRESHOLD, _PER_CLASS, _DRAW = "class", "threshold", "per_class", "draw"

_OF_CLASS, _OF_ALL, _BACK = "of_class", "of_all", "back"


class ClassCuts(NamedTuple):
    """Where a class is cut: by its own draw, by that of all rows; and the key it gets back.

    None: it has no row of that kind.
    """

    of_class: Place | None
    of_all: Place | None
    back: tuple[Any, ...] | None


def decided(
    rows: DataFrame,
    cuts: Mapping[Class, ClassCuts],
    sampling: Sampling,
    decision: str,
    *,
    draws_of_all: bool,
) -> DataFrame:
    """The rows with a struct column `decision` of rule, value and threshold."""
    by = keys(rows)
    cut = free_name(rows, "_cut")
    key_kind = StructType([rows.schema[key] for key in by])
    fields = [
        StructField(_OF_CLASS, place_kind(rows)),
        StructField(_OF_ALL, place_kind(rows)),
        StructField(_BACK, key_kind),
    ]
    of_class = {key: (tuple(class_cuts),) for key, class_cuts in cuts.items()}
    table = class_table(rows, sampling.column, of_class, [StructField(cut, StructType(fields))])
    joined = rows.join(F.broadcast(table), on=sampling.column, how="left")
    at = named(cut)
    is_back = F.coalesce(F.struct(*by) == at[_BACK], F.lit(False))
    is_first = is_drawn(joined, at[_OF_CLASS], draw=sampling.draw_of_class)
    is_drawn_of_all = is_drawn(joined, at[_OF_ALL], draw=sampling.draw_of_all)
    rule = (
        F.when(at.isNull(), _CLASS)
        .when(is_back, RESTORED)
        .when(~sampling.is_over(rows), _THRESHOLD)
        .when(~is_first, _PER_CLASS)
        .when(~(is_drawn_of_all if draws_of_all else F.lit(True)), _DRAW)
        .otherwise(DRAWN)
    )
    value, threshold = _looked_at(rows, rule, at, sampling)
    why = F.struct(rule.alias(RULE), value.alias(VALUE), threshold.alias(THRESHOLD))
    return joined.select(*map(named, rows.columns), why.alias(decision))


def _looked_at(
    rows: DataFrame, rule: Column, at: Column, sampling: Sampling
) -> tuple[Column, Column]:
    """(what the rule looked at, what it held that against); numbers."""
    by = keys(rows)
    similarity = F.lit(None) if sampling.similarity is None else named(sampling.similarity)
    of_threshold = rule.isin(_THRESHOLD, RESTORED)
    value = (
        F.when(of_threshold, similarity.cast("double"))
        .when(rule == _PER_CLASS, sampling.draw_of_class.of(*by))
        .when(rule == _DRAW, sampling.draw_of_all.of(*by))
    )
    threshold = (
        F.when(of_threshold, sampling.least_similarity(rows).cast("double"))
        .when(rule == _PER_CLASS, at[_OF_CLASS][DRAW])
        .when(rule == _DRAW, at[_OF_ALL][DRAW])
    )
    return value, threshold
