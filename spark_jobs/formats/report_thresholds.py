"""Read what a report shows of similarities: the plan of thresholds, and captions near one."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from spark_jobs.core import schemas
from spark_jobs.core.columns import as_type, literal_of, named
from spark_jobs.core.run_records import RunRecord
from spark_jobs.core.schemas import (
    CAPTION,
    CLASS_SIMILARITY,
    CLASSES,
    GLOSS,
    ROWS,
    THRESHOLD,
    UID,
    WNID,
)
from spark_jobs.formats.report_tables import read_run_input, read_run_output
from spark_jobs.formats.synsets import NAMED_LISTS, named_definitions
from spark_jobs.report.blocks import Example, visible
from spark_jobs.report.similarities import SimilarityPlan, ThresholdRow
from spark_jobs.scoring.definitions import query_text, similarity_column
from spark_jobs.scoring.thresholds import histogram, informative_thresholds
from spark_jobs.storage.old_versions import read_recorded_version
from spark_jobs.subsets.draw import rows_of_classes

_NEAREST = 5  # examples on each side of the threshold
_LOOKED_AT = 200  # rows on each side, since many may have one caption
_SCORE, _IS_ABOVE = "_score", "_is_above"


@dataclass(frozen=True)
class UsedThreshold:
    """The rule of a filter on the similarity, by which rows stay: score `op` value."""

    filter_run: RunRecord
    op: str
    value: float


def used_threshold(plan: RunRecord, runs: Sequence[RunRecord]) -> UsedThreshold | None:
    """The first rule of a filter that compares the column of a run of plan-threshold."""
    for run in runs:
        for rule in run.settings.get("rules", []) if run.job == "filter-captions" else []:
            if rule.get("column") == plan.settings["column"] and rule.get("op") in (">", ">="):
                return UsedThreshold(run, rule["op"], rule["value"])
    return None


def similarity_plan(
    spark: SparkSession, run: RunRecord, used: UsedThreshold | None
) -> SimilarityPlan:
    """The thresholds of a run of plan-threshold, with the histogram of the scores that it read."""
    rows = read_run_output(spark, run, "output", schemas.SIMILARITY_PLAN).orderBy(THRESHOLD)
    bars = histogram(read_run_input(spark, run, "scores"), run.settings["column"])
    kept = informative_thresholds(rows.toPandas())[[THRESHOLD, ROWS, CLASSES, CLASS_SIMILARITY]]
    value = None if used is None else used.value
    threshold_rows = [ThresholdRow(*row) for row in kept.itertuples(index=False, name=None)]
    return SimilarityPlan(threshold_rows, bars, value, bool(run.settings["class_column"]))


def threshold_examples(
    spark: SparkSession, run: RunRecord, used: UsedThreshold, scoring: RunRecord | None
) -> tuple[list[Example], list[Example]]:
    """(captions just above the threshold, captions just below it), the nearest first.

    Each has its class and the definition that it was compared with, if `scoring`, the run of
    score-definitions, is known. Of equal captions one is shown.
    """
    scored = read_run_input(spark, run, "scores")
    if not {UID, CAPTION} <= set(scored.columns):
        return [], []
    column, class_column = run.settings["column"], run.settings["class_column"]
    class_value = as_type(class_column, "string") if class_column else F.lit(None)
    bound = literal_of(scored, column, used.value)  # in the column's type, as in the filter
    is_above = named(column) > bound if used.op == ">" else named(column) >= bound
    rows = scored.select(
        UID,
        CAPTION,
        as_type(column, "double").alias(_SCORE),
        class_value.alias(WNID),
        is_above.alias(_IS_ABOVE),
    ).where(f"{_SCORE} IS NOT NULL AND NOT isnan({_SCORE})")
    above = rows.where(_IS_ABOVE).orderBy(_SCORE, UID).limit(_LOOKED_AT).collect()
    below = rows.where(f"NOT {_IS_ABOVE}").orderBy(F.desc(_SCORE), UID).limit(_LOOKED_AT).collect()
    sides = [_one_per_caption(above), _one_per_caption(below)]
    shown = [row for side in sides for row in side]
    kept_uids = _uids_in_output(spark, used.filter_run, [row[UID] for row in shown])
    definition_of = {} if scoring is None else _definitions(spark, scoring, column, shown)

    def example(row: Row, side: str) -> Example:
        is_kept = row[UID] in kept_uids
        reason = f"similarity {row[_SCORE]:.4f}, {side} {used.value:g}"
        if side == "above" and not is_kept:
            reason += ", but another rule drops it"
        class_names = [visible(row[WNID], 40)] if row[WNID] else []
        details = definition_of.get(row[WNID], "")
        caption, uid = visible(row[CAPTION] or ""), visible(row[UID] or "")
        return Example(caption, is_kept, reason, class_names, uid, details)

    return (
        [example(row, "above") for row in sides[0]],
        [example(row, "below") for row in sides[1]],
    )


def _one_per_caption(rows: Sequence[Row]) -> list[Row]:
    first_of_caption: dict[str, Row] = {}
    for row in rows:
        first_of_caption.setdefault(row[CAPTION], row)
    return list(first_of_caption.values())[:_NEAREST]


def _uids_in_output(spark: SparkSession, run: RunRecord, uids: Sequence[str]) -> set[str]:
    output = read_run_output(spark, run, "output")
    return {row[UID] for row in rows_of_classes(output.select(UID), UID, uids).collect()}


def _definitions(
    spark: SparkSession, scoring: RunRecord, column: str, rows: Sequence[Row]
) -> dict[str, str]:
    """Wnid -> the definition that captions of the synset were compared with in this column."""
    settings = scoring.settings
    kinds = [
        kind
        for kind in settings["query_types"]
        if column in (schemas.SCORE, similarity_column(kind, settings["query_key"]))
    ]
    synsets, wnids = settings["synsets"], {row[WNID] for row in rows if row[WNID] is not None}
    if not kinds:
        return {}
    if synsets in NAMED_LISTS:
        return {
            definition.wnid: f"compared with: {visible(query_text(kinds[0], definition))}"
            for definition in named_definitions(synsets)
            if definition.wnid in wnids
        }
    version = scoring.inputs.get(synsets)
    table = read_recorded_version(spark, synsets, schemas.EMPTY, version)
    of_wnids = rows_of_classes(table.where(F.col(GLOSS).isNotNull()), WNID, wnids)
    glosses = of_wnids.groupBy(WNID).agg(F.min(GLOSS).alias(GLOSS)).collect()
    return {row[WNID]: f"definition: {visible(row[GLOSS])}" for row in glosses}
