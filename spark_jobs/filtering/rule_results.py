"""What rules say of rows: the first that each fails, and steps that only passing rows go through.

A join with a table, or a look at each word, costs several times as much as a comparison, and copies
the rows. Most pools lose half of their rows to a comparison before, which steps take out first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

from pyspark.sql import Column, DataFrame


@dataclass(frozen=True)
class Keeping:
    """A rule that takes rows out by itself: `keep` gives those that pass, with their columns.

    It reads all rows, so that those before it can be counted.
    """

    rule: str
    keep: Callable[[DataFrame], DataFrame]


@dataclass(frozen=True)
class Marking:
    """Rules that tell of each row which of them it fails: `judge` gives the rows with what that is
    made of. `keep_alone`: gives the rows that pass at less cost, but may not read all of the rows.
    """

    rules: Sequence[str]
    judge: Callable[[DataFrame], "RuleResults"]
    keep_alone: Callable[[DataFrame], DataFrame] | None = None

    def keep(self, rows: DataFrame) -> DataFrame:
        """The rows that pass all of the rules."""
        return self.keep_alone(rows) if self.keep_alone else self.judge(rows).kept()


Step: TypeAlias = Keeping | Marking


@dataclass(frozen=True)
class RuleResults:
    """Rows, and columns over them: the first rule that each row fails, and why.

    `failed_rule`: the rule's name, null if the row passes all. `value`, `threshold`: doubles, what
    the row has and what it was compared with; only of a comparison with one number and of a
    top_fraction, else null. `helper_columns`: columns of `rows` that the others are made of, and
    that `source` lacks. `steps`: if there are any, the same rules, to be applied to `source` one
    after the other.
    """

    source: DataFrame
    rows: DataFrame
    failed_rule: Column
    value: Column
    threshold: Column
    helper_columns: Sequence[str]
    steps: Sequence[Step] = ()

    def kept(self) -> DataFrame:
        """The rows that pass all rules, with their own columns."""
        if self.steps:
            return reduce(lambda rows, step: step.keep(rows), self.steps, self.source)
        return self.rows.where(self.failed_rule.isNull()).drop(*self.helper_columns)
