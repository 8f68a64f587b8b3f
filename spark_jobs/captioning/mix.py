"""Choose a caption for each image among those of several sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

from spark_jobs.captioning.mix_cutoffs import Cutoff, CutoffRule, top_cutoff
from spark_jobs.captioning.mix_expression import Mix, MixStep
from spark_jobs.captioning.mix_picks import Picks
from spark_jobs.captioning.mix_sources import SourceColumns, with_sources
from spark_jobs.core.columns import free_name, named
from spark_jobs.core.draws import Draw
from spark_jobs.core.schemas import (
    CAPTION,
    CAPTION_SOURCE,
    CAPTIONS_LIST,
    RULE,
    SCORE,
    SOURCES,
    UID,
)
from spark_jobs.filtering.rule_results import RuleResults

PAPERS = (
    "Nguyen 2023, section 5: each image takes its raw or a synthetic caption by their similarity",
)

NOT_CHOSEN, ELSEWHERE, MISSING_CAPTION = "not_chosen", "elsewhere", "missing_caption"
REASONS = (NOT_CHOSEN, ELSEWHERE, MISSING_CAPTION)


@dataclass(frozen=True)
class Mixed:
    """`results`: the rows, with the column `choice`; failed rows have a reason of REASONS.

    `thresholds`: the smallest score that passes each step; None if it has none, or none passes.
    """

    results: RuleResults
    choice: str
    thresholds: Sequence[float | None]

    @property
    def is_kept(self) -> Column:
        """Whether a row has its caption."""
        return self.results.failed_rule.isNull()

    def why(self) -> Column:
        """Why a row's caption was chosen."""
        return named(self.choice).getField(RULE)

    def source(self) -> Column:
        """The chosen source of a row; null if none was."""
        return named(self.choice).getField(CAPTION_SOURCE)

    def is_of(self, source: str) -> Column:
        """Whether a row has a caption of a source, if perhaps not of it alone."""
        return F.array_contains(named(self.choice).getField(SOURCES), source)

    def columns(self, *, with_list: bool) -> list[Column]:
        """The columns of the choice, as schemas.MIXED_CAPTIONS has them but for uid."""
        names = [CAPTION, CAPTION_SOURCE, SCORE, RULE, *([CAPTIONS_LIST] if with_list else [])]
        return [named(self.choice).getField(name).alias(name) for name in names]


def mix(
    images: DataFrame,
    chosen: Mix,
    sources: Mapping[str, SourceColumns],
    *,
    rule: CutoffRule,
    draw: Draw,
    separator: str,
) -> Mixed:
    """Choose by the steps of a mix, whose sources are all there.

    images: a row for each, with uid. Thresholds are of all rows. A row whose chosen caption is null
    or empty fails, without a second choice. A score is compared in its own type: 0.26 on float32 is
    the float32 nearest to it.
    """
    rows = with_sources(images, sources, chosen.sources)
    picks = Picks(sources, rows.schema, draw, separator)
    conditions, texts, thresholds = [], [], []
    same: Cutoff = Cutoff(None)
    for step in chosen.steps:
        score, score_type = picks.score(step.pick), picks.score_type(step.pick)
        if step.top is not None:
            scored = with_sources(images, sources, step.pick.weights)
            same = top_cutoff(scored.select(UID, score.alias(SCORE)), SCORE, step.top, rule)
            condition, threshold = same.holds(score, score_type), same.threshold
        elif step.is_same:
            # In doubles, which hold the threshold whatever the type of the scores it is of.
            condition = Cutoff(same.threshold).holds(score.cast("double"), DoubleType())
            threshold = same.threshold
        elif step.at_least is not None:
            condition = score >= F.lit(step.at_least).cast(score_type)
            threshold = step.at_least
        else:
            condition = picks.has_any(step.pick) if step.pick.kind == "best" else F.lit(True)
            threshold = None
        conditions.append(F.coalesce(condition, F.lit(False)))
        thresholds.append(threshold)
        texts.append(_why(step, threshold))
    choice = is_missing = F.lit(None)
    for step, condition, why in reversed([*zip(chosen.steps, conditions, texts, strict=True)]):
        choice = F.when(condition, picks.choice(step.pick, why)).otherwise(choice)
        is_missing = F.when(condition, picks.is_missing(step.pick)).otherwise(is_missing)
    name = free_name(rows, "_choice")
    with_choice = rows.withColumn(name, choice)
    is_elsewhere = (
        F.lit(False) if chosen.where is None else ~F.coalesce(named(chosen.where), F.lit(False))
    )
    # Not of the choice, which is long: Spark would compute it in each condition anew, in a method
    # that Java does not compile.
    failed = (
        F.when(~reduce(or_, conditions), F.lit(NOT_CHOSEN))
        .when(is_elsewhere, F.lit(ELSEWHERE))
        .when(is_missing, F.lit(MISSING_CAPTION))
    )
    first_threshold = F.lit(thresholds[0]).cast("double")
    is_by_score = failed == NOT_CHOSEN
    results = RuleResults(
        with_choice,
        with_choice,
        failed,
        F.when(is_by_score, picks.score(chosen.steps[0].pick).cast("double")),
        F.when(is_by_score, first_threshold),
        helper_columns=[],
    )
    return Mixed(results, name, thresholds)


def _why(step: MixStep, threshold: float | None) -> str:
    if threshold is None:
        return str(step)
    return str(step) if step.at_least is not None else f"{step}: score >= {threshold:.6g}"
