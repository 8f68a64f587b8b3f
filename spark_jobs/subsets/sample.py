"""Sample a subset of labelled rows: by threshold, per class and overall, with every class kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import free_name, keys, named
from spark_jobs.core.draws import Draw
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import RULE, THRESHOLD, VALUE
from spark_jobs.subsets.class_list import Class, ClassList
from spark_jobs.subsets.draw import (
    Cutoff,
    count_classes,
    cutoff_type,
    cutoffs,
    draw_per_class,
    is_within_cutoff,
    rows_of_classes,
)
from spark_jobs.subsets.quotas import without_surplus
from spark_jobs.subsets.sample_rules import DRAWN, RESTORED, ClassCutoffs, with_decision
from spark_jobs.subsets.sampling import Quotas, Sampling, class_quotas, removed_classes

PAPERS = ("clip-beyond-tail, subsets: rows drawn by class, thresholds and fractions",)

_ALL_ROWS = "_all"


@dataclass(frozen=True)
class Sample:
    """`rows` with a struct column `decision`; those of rules DRAWN and RESTORED are the subset.

    available and kept: rows of each class in the input and in the subset. restored: classes that
    got one row back. too_small and without_tail: classes that are left out because they are below
    their minimum, or in a tail that keeps no rows.
    """

    rows: DataFrame
    decision: str
    available: Mapping[Class, int]
    kept: Mapping[Class, int]
    quotas: Quotas
    restored: set[Class]
    too_small: set[Class]
    without_tail: set[Class]

    @property
    def rule(self) -> Column:
        """The rule by which a row stays or goes."""
        return named(self.decision)[RULE]

    @property
    def value(self) -> Column:
        """The similarity or draw that the rule compared; null if it compared none."""
        return named(self.decision)[VALUE]

    @property
    def threshold(self) -> Column:
        """The least similarity or the cutoff that the rule compared with; null if none."""
        return named(self.decision)[THRESHOLD]

    @property
    def is_kept(self) -> Column:
        """Whether a row is in the subset."""
        return self.rule.isin(DRAWN, RESTORED)

    @property
    def subset(self) -> DataFrame:
        """The rows of the subset, with the input's columns."""
        return self.rows.where(self.is_kept).drop(self.decision)


def sample(rows: DataFrame, classes: ClassList, sampling: Sampling) -> Sample:
    """Decide which rows of these classes are in the subset.

    Raises InputDataError if there are too few rows for n, or n is too small for every class.
    """
    column, draw = sampling.column, sampling.draw_of_class
    of_listed_classes = rows_of_classes(rows, column, classes)
    over_threshold = of_listed_classes.where(sampling.is_over(rows))
    available = _counts(of_listed_classes, column, classes)
    n_over = available if sampling.threshold is None else _counts(over_threshold, column, classes)
    too_small, without_tail = removed_classes(n_over, sampling)
    removed = too_small | without_tail
    must_stay = {
        key for key in classes
        if sampling.keeps_every_class and available[key] and key not in removed
    }  # fmt: skip
    quotas = class_quotas(n_over, removed, must_stay, sampling)
    class_cutoffs = cutoffs(over_threshold, column, quotas.of_class, n_over, draw=draw)
    kept, overall_cutoffs = quotas.of_class, dict[Class, Cutoff]()
    if quotas.n_of_all is not None:
        drawable = over_threshold
        if quotas.of_class != n_over:
            drawable = draw_per_class(over_threshold, column, quotas.of_class, n_over, draw=draw)
        kept, overall_cutoffs = _overall_cutoffs(
            drawable, quotas.of_class, quotas.n_of_all, must_stay, sampling
        )
    emptied = {key for key in must_stay if not kept[key]}
    restored_keys = _restored_keys(of_listed_classes, emptied, sampling)
    cutoffs_of = {
        key: ClassCutoffs(class_cutoffs.get(key), overall_cutoffs.get(key), restored_keys.get(key))
        for key in classes
    }
    decision = free_name(rows, "_decision")
    draws_overall = quotas.n_of_all is not None
    return Sample(
        rows=with_decision(rows, cutoffs_of, sampling, decision, draws_overall=draws_overall),
        decision=decision,
        available=available,
        kept={**kept, **dict.fromkeys(restored_keys, 1)},
        quotas=quotas,
        restored=set(restored_keys),
        too_small={key for key in too_small if available[key]},
        without_tail={key for key in without_tail - too_small if available[key]},
    )


def refuse_other_count(n_rows: int, expected: int) -> None:
    """Raise InputDataError if a draw gave another number of rows than expected."""
    if n_rows != expected:
        raise InputDataError(
            f"{n_rows:,} rows were drawn where {expected:,} were meant, since some uid is there "
            "twice in a class: dedup the input first"
        )


def _counts(rows: DataFrame, column: str, classes: ClassList) -> dict[Class, int]:
    counts = count_classes(rows, column)
    return {key: counts.get(key, 0) for key in classes}


def _overall_cutoffs(
    rows: DataFrame,
    counts: Mapping[Class, int],
    n: int,
    must_stay: set[Class],
    sampling: Sampling,
) -> tuple[dict[Class, int], dict[Class, Cutoff]]:
    """(rows kept, cutoff) of each class if n of all these rows are drawn, whatever their class.

    If n itself was set and the draw empties classes that must stay, the largest classes give up as
    many rows. A class of which nothing is drawn has no cutoff.
    """
    if n == 0:
        return dict.fromkeys(counts, 0), {}
    column, draw = sampling.column, sampling.draw_of_all
    single_class = free_name(rows, _ALL_ROWS)
    as_one_class = rows.withColumn(single_class, F.lit(""))
    total = sum(counts.values())
    [overall] = cutoffs(as_one_class, single_class, {"": n}, {"": total}, draw=draw).values()
    n_drawn = count_classes(_within_cutoff(rows, overall, draw), column)
    drawn = {key: n_drawn.get(key, 0) for key in counts}
    refuse_other_count(sum(drawn.values()), n)
    emptied = [key for key in counts if key in must_stay and not drawn[key]]
    kept = without_surplus(drawn, len(emptied)) if sampling.n is not None else drawn
    reduced = {key: kept[key] for key in kept if kept[key] < drawn[key]}
    return kept, dict.fromkeys(kept, overall) | cutoffs(rows, column, reduced, counts, draw=draw)


def _within_cutoff(rows: DataFrame, cutoff: Cutoff, draw: Draw) -> DataFrame:
    """The rows whose (draw, key) is at most one cutoff for all."""
    data_type = cutoff_type(rows)
    parts = zip(cutoff, data_type, strict=True)
    literal = F.struct(*(F.lit(part).alias(field.name) for part, field in parts)).cast(data_type)
    return rows.where(is_within_cutoff(rows, literal, draw=draw))


def _restored_keys(
    rows: DataFrame, classes: set[Class], sampling: Sampling
) -> dict[Class, tuple[Any, ...]]:
    """Class -> key of the row that the emptied class gets back."""
    if not classes:
        return {}
    key_columns = keys(rows)
    first = F.min(F.struct(*_preference(rows, sampling), *key_columns)).alias("_first")
    class_name = named(sampling.column).alias("_class")
    first_rows = rows_of_classes(rows, sampling.column, classes).groupBy(class_name).agg(first)
    key_parts = (F.col("_first")[key] for key in key_columns)
    class_and_key = first_rows.select("_class", *key_parts).collect()
    return {row[0]: tuple(row[1:]) for row in class_and_key}


def _preference(rows: DataFrame, sampling: Sampling) -> list[Column]:
    """Sort columns whose smallest value marks the row to restore; rows with null come last."""
    if sampling.restore_by is not None:
        value = named(sampling.restore_by)
    elif sampling.similarity is not None:
        value = -named(sampling.similarity)
    else:
        value = sampling.draw_of_class.of(*keys(rows))
    return [value.isNull().alias("_is_absent"), value.alias("_value")]
