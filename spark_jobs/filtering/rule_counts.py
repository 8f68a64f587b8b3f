"""How many rows each rule drops, counted by the pass that writes those that pass them all."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import free_name, named
from spark_jobs.core.observed_sums import ObservedSums
from spark_jobs.filtering.filter import Judged

_RULE = "_rule"
_ROWS, _KEPT = "rows", "kept"


class RuleCounts:
    """The rows that each of several rules drops: made before a write of the others, asked after it.

    `also`: of which rows the number is wanted too, by name. `is_observed`: the rows are written by
    an action that tells what it saw, which a write to a catalog's table does not.
    """

    def __init__(
        self,
        judged: Judged,
        rules: Sequence[str],
        also: Mapping[str, Column],
        *,
        is_observed: bool = True,
    ) -> None:
        self._judged = judged
        self._rules = rules
        self._also = also
        self._rule = free_name(judged.rows, _RULE)
        self._observed = ObservedSums() if is_observed else None

    def kept(self) -> DataFrame:
        """The rows that pass every rule; the next action on them counts all."""
        rows = self._with_rule()
        if self._observed is not None:
            rows = self._observed.observe(rows, *self._sums())
        return rows.where(named(self._rule).isNull()).drop(self._rule, *self._judged.marks)

    def get(self, *, rows_in: int, kept: int) -> tuple[dict[str, int], dict[str, int]]:
        """Rows dropped by each rule, in the order of the rules, and the counts of `also`.

        As the write saw them, if it saw `rows_in` rows and kept as many as stand there; else, after
        tasks that ran twice or where a platform does not observe, by a pass of its own.
        """
        seen = self._observed.get() if self._observed is not None else {}
        if (seen.get(_ROWS), seen.get(_KEPT)) != (rows_in, kept):
            first = self._with_rule().agg(*self._sums()).first()
            assert first is not None  # an aggregate without groups has one row
            seen = first.asDict()
        dropped = {rule: seen[f"rule_{number}"] for number, rule in enumerate(self._rules)}
        return dropped, {name: seen[f"also_{name}"] for name in self._also}

    def _with_rule(self) -> DataFrame:
        return self._judged.rows.withColumn(self._rule, self._judged.rule)

    def _sums(self) -> list[Column]:
        rule = named(self._rule)
        return [
            F.count("*").alias(_ROWS),
            F.count_if(rule.isNull()).alias(_KEPT),
            *(F.count_if(rule == name).alias(f"rule_{k}") for k, name in enumerate(self._rules)),
            *(F.count_if(where).alias(f"also_{name}") for name, where in self._also.items()),
        ]
