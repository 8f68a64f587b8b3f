"""Count the rows that each rule drops in the same pass that writes the kept rows."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import free_name, named
from spark_jobs.core.observed_sums import ObservedSums
from spark_jobs.filtering.filter import RuleResults

_RULE = "_rule"
_ROWS, _KEPT = "rows", "kept"


class RuleCounts:
    """Rows that each rule drops, observed while the kept rows are written.

    Write `kept()`, then call `get`. `also`: name -> condition of further rows to count.
    `is_observed`: False where the write reports no observation (into a table of a catalog).
    """

    def __init__(
        self,
        results: RuleResults,
        rules: Sequence[str],
        also: Mapping[str, Column],
        *,
        is_observed: bool = True,
    ) -> None:
        self._results = results
        self._rules = rules
        self._also = also
        self._rule = free_name(results.rows, _RULE)
        self._observed = ObservedSums() if is_observed else None

    def kept(self) -> DataFrame:
        """The rows that pass all rules; the next action on them counts all rows."""
        rows = self._with_rule()
        if self._observed is not None:
            rows = self._observed.observe(rows, *self._sums())
        passing = rows.where(named(self._rule).isNull())
        return passing.drop(self._rule, *self._results.helper_columns)

    def get(self, *, rows_in: int, kept: int) -> tuple[dict[str, int], dict[str, int]]:
        """Rows dropped by each rule, in the order of the rules, and the counts of `also`.

        As observed by the write if it saw `rows_in` rows and kept `kept`. Else, where tasks ran
        twice or the platform does not observe, a pass of its own counts them.
        """
        sums = self._observed.get() if self._observed is not None else {}
        if (sums.get(_ROWS), sums.get(_KEPT)) != (rows_in, kept):
            aggregate = self._with_rule().agg(*self._sums()).first()
            assert aggregate is not None  # an aggregate without groups has one row
            sums = aggregate.asDict()
        dropped = {rule: sums[f"rule_{number}"] for number, rule in enumerate(self._rules)}
        return dropped, {name: sums[f"also_{name}"] for name in self._also}

    def _with_rule(self) -> DataFrame:
        return self._results.rows.withColumn(self._rule, self._results.failed_rule)

    def _sums(self) -> list[Column]:
        rule = named(self._rule)
        return [
            F.count("*").alias(_ROWS),
            F.count_if(rule.isNull()).alias(_KEPT),
            *(F.count_if(rule == name).alias(f"rule_{k}") for k, name in enumerate(self._rules)),
            *(F.count_if(where).alias(f"also_{name}") for name, where in self._also.items()),
        ]
