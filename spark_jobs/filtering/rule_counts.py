"""Count the rows that each rule drops in the same pass that writes the kept rows."""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import free_name, named
from spark_jobs.core.observed_sums import ObservedSums
from spark_jobs.filtering.rule_results import Keeping, Marking, RuleResults, Step

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
        self._is_observed = is_observed
        self._observed: list[ObservedSums] = []

    def kept(self) -> DataFrame:
        """The rows that pass all rules; the next action on them counts all rows."""
        if not self._is_observed:
            return self._results.kept()
        self._observed.clear()
        rows = self._results.source
        of_all: Sequence[Column] = self._sums_of_all()
        for step in self._steps:
            match step:
                case Keeping():
                    rows = self._observe(rows, of_all) if of_all else rows
                    kept = F.count("*").alias(self._kept_name(step))
                    rows = self._observe(step.keep(rows), [kept])
                case Marking():
                    judged = step.judge(rows)
                    with_rule = judged.rows.withColumn(self._rule, judged.failed_rule)
                    sums = [*of_all, *self._sums_of_rules(step)]
                    passing = self._observe(with_rule, sums).where(named(self._rule).isNull())
                    rows = passing.drop(self._rule, *judged.helper_columns)
            of_all = ()
        return rows

    def _observe(self, rows: DataFrame, sums: Sequence[Column]) -> DataFrame:
        self._observed.append(ObservedSums())
        return self._observed[-1].observe(rows, *sums)

    def get(self, *, rows_in: int, kept: int) -> tuple[dict[str, int], dict[str, int]]:
        """Rows dropped by each rule, in the order of the rules, and the counts of `also`.

        As observed by the write if it saw `rows_in` rows and kept `kept`. Else, where tasks ran
        twice or the platform does not observe, a pass of its own counts them.
        """
        sums = self._observed_sums()
        if (sums.get(_ROWS), sums.get(_KEPT)) != (rows_in, kept):
            sums = self._counted()
        dropped = {rule: sums[alias] for rule, alias in self._aliases.items()}
        return dropped, {name: sums[f"also_{name}"] for name in self._also}

    def _observed_sums(self) -> dict[str, int]:
        """Counts by alias, as `_counted` gives them; empty if something was not observed."""
        sums: dict[str, int] = {}
        for observed in self._observed:
            seen = observed.get()
            if not seen:
                return {}
            sums |= seen
        n_kept = sums.get(_ROWS, 0)
        for step in self._steps if sums else ():
            n_before, n_kept = n_kept, sums.get(self._kept_name(step), 0)
            if isinstance(step, Keeping):
                sums[self._aliases[step.rule]] = n_before - n_kept
        return {**sums, _KEPT: n_kept}

    def _counted(self) -> dict[str, int]:
        rows = self._results.rows.withColumn(self._rule, self._results.failed_rule)
        all_rules = Marking(self._rules, lambda _rows: self._results)
        counted = rows.agg(*self._sums_of_all(), *self._sums_of_rules(all_rules)).first()
        assert counted is not None  # an aggregate without groups has one row
        return counted.asDict()

    @property
    def _steps(self) -> Sequence[Step]:
        """Those of the results; all rules in one where these have none."""
        return self._results.steps or [Marking(self._rules, lambda _rows: self._results)]

    @property
    def _aliases(self) -> dict[str, str]:
        """The alias of each rule's count."""
        return {rule: f"rule_{number}" for number, rule in enumerate(self._rules)}

    def _kept_name(self, step: Step) -> str:
        """The alias of the number of rows that pass a step."""
        last_rule = step.rule if isinstance(step, Keeping) else step.rules[-1]
        return f"{_KEPT}_{self._aliases[last_rule]}"

    def _sums_of_all(self) -> list[Column]:
        also = [F.count_if(where).alias(f"also_{name}") for name, where in self._also.items()]
        return [F.count("*").alias(_ROWS), *also]

    def _sums_of_rules(self, step: Marking) -> list[Column]:
        rule, aliases = named(self._rule), self._aliases
        return [
            F.count_if(rule.isNull()).alias(self._kept_name(step)),
            *(F.count_if(rule == name).alias(aliases[name]) for name in step.rules),
        ]
