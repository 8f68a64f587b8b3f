"""compare-evaluations: which of several subsets trains the better models, over seeds."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.comparing.models import (
    Compared,
    Evaluation,
    compare,
    subset_and_seed,
    subsets_of,
)
from spark_jobs.core import schemas
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import (
    AT,
    DIFFERENCE_HIGH,
    DIFFERENCE_LOW,
    GROUP,
    MEAN,
    MEAN_DIFFERENCE,
    MEASURE,
    SOURCE,
    VALUE,
)
from spark_jobs.core.settings import InputAddress, NamedInputs, OutputAddress, Settings
from spark_jobs.running.job import Job
from spark_jobs.storage.run import Counts, Run
from spark_jobs.storage.tables import read_table
from udfs.clip_evaluation.by_class import ALL, TOP1, ZERO_SHOT
from udfs.clip_evaluation.retrieval import RETRIEVAL

DATA = "data"  # task of the measures of subsets themselves
_OF_SUBSETS = ("captions", "mean_words", "vocabulary", "unique_trigrams", "clip_s")
_MOST_ROWS = 100_000
_SHOWN = ((ZERO_SHOT, TOP1), (RETRIEVAL, "text_to_image_recall@1"))


class CompareEvaluations(Settings):
    """Settings of compare-evaluations."""

    evaluations: NamedInputs = Field(
        description="tables of evaluate-clip, a model each, by subset@seed: {raw@0: table, "
        "raw@1: table, t20@0: table}; the first subset is what the others are compared with"
    )
    measures: InputAddress | None = Field(
        None,
        description="table of measure-captions whose sources are called as the subsets: their "
        "size, CLIP-S and different trigrams",
    )
    output: OutputAddress = Field(description="a row for each measure of each subset")

    @model_validator(mode="after")
    def _names_seeds(self) -> Self:
        wrong = [name for name in self.evaluations if not all(subset_and_seed(name))]
        if wrong:
            raise ValueError(f"evaluations: {wrong[0]!r}, expected a subset and a seed, as raw@0")
        return self

    @property
    def subsets(self) -> list[str]:
        """The subsets, in the order of the evaluations."""
        return subsets_of(self.evaluations)


def run(run: Run, settings: CompareEvaluations) -> Counts:
    """Write the means of each measure over the seeds of each subset, with intervals."""
    evaluations = [
        row
        for name, address in settings.evaluations.items()
        for row in _evaluations(run, address, *subset_and_seed(name))
    ]
    data = _data_measures(run, settings)
    compared = [*compare(data, settings.subsets), *compare(evaluations, settings.subsets)]
    rows = [_row(measure) for measure in compared]
    run.write(run.spark.createDataFrame(rows, schemas.COMPARISONS).coalesce(1), settings.output)
    return {
        "models": len(settings.evaluations),
        "subsets": len(settings.subsets),
        "measures": len(compared),
    }


def _evaluations(run: Run, address: str, subset: str, seed: str) -> list[Evaluation]:
    """The measures of a model that have a value."""
    table = run.read(address, schemas.EVALUATIONS).where(F.col(VALUE).isNotNull())
    rows = table.orderBy("task", "set", MEASURE).limit(_MOST_ROWS).collect()
    names = [(row["task"], row["set"], row[MEASURE]) for row in rows]
    if len({*names}) < len(names):
        raise InputDataError(f"table {address}: holds several models, expected one a table")
    return [Evaluation(subset, seed, *n, row[VALUE]) for n, row in zip(names, rows, strict=True)]


def _data_measures(run: Run, settings: CompareEvaluations) -> list[Evaluation]:
    if settings.measures is None:
        return []
    table = run.read(settings.measures, schemas.MEASURES)
    of_whole = table.where(F.col(GROUP).isNull() & F.col(AT).isNull() & F.col(VALUE).isNotNull())
    collected = of_whole.orderBy(MEASURE, SOURCE).limit(_MOST_ROWS).collect()
    rows = [row for row in collected if row[MEASURE] in _OF_SUBSETS]
    missing = [name for name in settings.subsets if name not in {row[SOURCE] for row in rows}]
    if missing:
        raise InputDataError(
            f"table {settings.measures}: there is no source {missing[0]!r}, as the subset is called"
        )
    return [Evaluation(row[SOURCE], "", DATA, ALL, row[MEASURE], row[VALUE]) for row in rows]


def _row(measure: Compared) -> tuple[object, ...]:
    value, difference = measure.value, measure.difference
    if difference is None or measure.task == DATA:
        above: tuple[float | None, ...] = (None, None, None)
    else:
        above = difference[:3]
    return (*measure[:4], value.n, value.mean, value.low, value.high, *above)


def closing_lines(spark: SparkSession, settings: CompareEvaluations, _counts: Counts) -> list[str]:
    """The main measure of each set: its mean by subset, and the difference to the first."""
    rows = read_table(spark, settings.output, schemas.COMPARISONS)
    shown = [
        row
        for task, measure in _SHOWN
        for row in rows.where((F.col("task") == task) & (F.col(MEASURE) == measure)).collect()
    ]
    order = {name: n for n, name in enumerate(settings.subsets)}
    shown.sort(key=lambda row: (row["task"], row["set"], order[row["subset"]]))
    return [_line(row.asDict()) for row in shown]


def _line(row: Mapping[str, Any]) -> str:
    text = f"  {row['set']} {row[MEASURE]}, {row['subset']}: {100 * (row[MEAN] or 0):.1f} %"
    difference = row[MEAN_DIFFERENCE]
    if difference is None:
        return text
    text += f", {100 * difference:+.1f}"
    low, high = row[DIFFERENCE_LOW], row[DIFFERENCE_HIGH]
    if low is None or high is None:
        return text
    return f"{text} ({100 * low:+.1f} to {100 * high:+.1f} in 95 %)"


JOB = Job(
    "compare-evaluations",
    "Compare evaluated models of several subsets, over seeds, with intervals.",
    CompareEvaluations,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake compare-evaluations \\\n"
        "  --evaluations '{raw@0: ./raw_0, raw@1: ./raw_1, t20@0: ./t20_0}' \\\n"
        "  --output ./comparison"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
