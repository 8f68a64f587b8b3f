"""Choose a caption for each image among those of several sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, FloatType

from spark_jobs.captioning.mix_cutoffs import Cutoff, CutoffRule, top_cutoff
from spark_jobs.captioning.mix_expression import Mix, MixStep, Pick
from spark_jobs.core.columns import free_name, named
from spark_jobs.core.draws import Draw
from spark_jobs.core.schemas import (
    CAPTION,
    CAPTION_SOURCE,
    CAPTIONS_LIST,
    RULE,
    SCORE,
    SOURCE,
    UID,
    WEIGHT,
    WEIGHTED_CAPTIONS,
)
from spark_jobs.filtering.filter import RuleResults

PAPERS = (
    "Nguyen 2023, section 5: each image takes its raw or a synthetic caption by their similarity",
)

NOT_CHOSEN, ELSEWHERE, MISSING_CAPTION = "not_chosen", "elsewhere", "missing_caption"
REASONS = (NOT_CHOSEN, ELSEWHERE, MISSING_CAPTION)
_LIST_TYPE = WEIGHTED_CAPTIONS[CAPTIONS_LIST].dataType


@dataclass(frozen=True)
class SourceColumns:
    """The columns of a source's captions and scores; a score is null, or NaN, if there is none."""

    caption: str
    score: str | None


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

    def columns(self, *, with_list: bool) -> list[Column]:
        """The columns of the choice, as schemas.MIXED_CAPTIONS has them but for uid."""
        names = [CAPTION, CAPTION_SOURCE, SCORE, RULE, *([CAPTIONS_LIST] if with_list else [])]
        return [named(self.choice).getField(name).alias(name) for name in names]


def mix(
    rows: DataFrame,
    chosen: Mix,
    sources: Mapping[str, SourceColumns],
    *,
    rule: CutoffRule,
    draw: Draw,
    separator: str,
) -> Mixed:
    """Choose by the steps of a mix, whose sources are all there.

    rows: a row for each image, with uid. Thresholds are of all rows. A row whose chosen caption is
    null or empty fails, without a second choice.
    """
    score_type = _score_type(rows, chosen, sources)
    picks = _Picks(sources, score_type, draw, separator)
    conditions, texts, thresholds = [], [], []
    same: Cutoff = Cutoff(None)
    for step in chosen.steps:
        score = picks.score(step.pick)
        if step.top is not None:
            scored = rows.select(UID, score.alias(SCORE))
            same = top_cutoff(scored, SCORE, step.top, rule)
            condition, threshold = same.holds(score, score_type), same.threshold
        elif step.is_same:
            condition = Cutoff(same.threshold).holds(score, score_type)
            threshold = same.threshold
        elif step.at_least is not None:
            condition = score >= F.lit(step.at_least).cast(score_type)
            threshold = step.at_least
        else:
            condition = score.isNotNull() if step.pick.kind == "best" else F.lit(True)
            threshold = None
        conditions.append(F.coalesce(condition, F.lit(False)))
        thresholds.append(threshold)
        texts.append(_why(step, threshold))
    choice = F.lit(None)
    for step, condition, why in reversed([*zip(chosen.steps, conditions, texts, strict=True)]):
        choice = F.when(condition, picks.choice(step.pick, why)).otherwise(choice)
    name = free_name(rows, "_choice")
    with_choice = rows.withColumn(name, choice)
    caption = named(name).getField(CAPTION)
    is_elsewhere = (
        F.lit(False) if chosen.where is None else ~F.coalesce(named(chosen.where), F.lit(False))
    )
    failed = (
        F.when(named(name).isNull(), F.lit(NOT_CHOSEN))
        .when(is_elsewhere, F.lit(ELSEWHERE))
        .when(caption.isNull() | (caption == ""), F.lit(MISSING_CAPTION))
    )
    first_threshold = F.lit(thresholds[0]).cast("double")
    is_by_score = failed == NOT_CHOSEN
    results = RuleResults(
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


def _score_type(rows: DataFrame, chosen: Mix, sources: Mapping[str, SourceColumns]) -> DataType:
    """The widest type of the scores: float if all are, else double."""
    columns = [sources[name].score for name in chosen.sources]
    types = {rows.schema[column].dataType for column in columns if column is not None}
    return DoubleType() if DoubleType() in types else FloatType()


@dataclass(frozen=True)
class _Picks:
    """Columns of what each pick takes of a row."""

    sources: Mapping[str, SourceColumns]
    score_type: DataType
    draw: Draw
    separator: str

    def score(self, pick: Pick) -> Column:
        """The score of what a row takes; null if it has none."""
        if pick.kind in ("concat", "all"):
            return F.lit(None).cast(self.score_type)
        if pick.kind == "one":
            [name] = pick.weights
            return self._score_of(name)
        return self._taken(pick).getField(SCORE)

    def choice(self, pick: Pick, why: str) -> Column:
        """The struct of caption, its source, its score, why, and the list of all captions."""
        captions = F.lit(None).cast(_LIST_TYPE)
        if pick.kind == "one":
            [name] = pick.weights
            caption, source = self._caption_of(name), F.lit(name)
        elif pick.kind in ("best", "random"):
            taken = self._taken(pick)
            caption, source = taken.getField(CAPTION), taken.getField(SOURCE)
        else:
            entries = self._entries(pick)
            source = F.array_join(F.transform(entries, lambda e: e[SOURCE]), "+")
            if pick.kind == "concat":
                texts = F.transform(entries, lambda e: e[CAPTION])
                caption = F.array_join(texts, self.separator)
            else:
                total = F.aggregate(entries, F.lit(0.0), lambda sum_, e: sum_ + e[WEIGHT])
                captions = F.transform(
                    entries, lambda e: e.withField(WEIGHT, e[WEIGHT] / total)
                ).cast(_LIST_TYPE)
                caption = F.get(entries, F.lit(0)).getField(CAPTION)
        return F.struct(
            caption.alias(CAPTION),
            source.alias(CAPTION_SOURCE),
            self.score(pick).cast("double").alias(SCORE),
            F.lit(why).alias(RULE),
            captions.alias(CAPTIONS_LIST),
        )

    def _taken(self, pick: Pick) -> Column:
        """The entry of the best score, of equal ones the first; or a random one of a caption."""
        entries = self._entries(pick)
        if pick.kind == "best":
            scored = [self._best_key(name, place) for place, name in enumerate(pick.weights)]
            best = F.array_max(F.filter(F.array(*scored), lambda e: e["key"].isNotNull()))
            return best.getField("entry")
        total = F.aggregate(entries, F.lit(0.0), lambda sum_, e: sum_ + e[WEIGHT])
        place = self.draw.of(UID) * total
        running = F.transform(
            entries,
            lambda _, number: F.aggregate(
                F.slice(entries, 1, number + 1), F.lit(0.0), lambda sum_, e: sum_ + e[WEIGHT]
            ),
        )
        number = F.size(F.filter(running, lambda end: end <= place))
        return F.get(entries, number)

    def _entries(self, pick: Pick) -> Column:
        """The entries (caption, source, score, weight) of the sources that have a caption."""
        entries = [self._entry(name, weight) for name, weight in pick.weights.items()]
        return F.filter(F.array(*entries), lambda e: e[CAPTION].isNotNull() & (e[CAPTION] != ""))

    def _entry(self, name: str, weight: float) -> Column:
        return F.struct(
            self._caption_of(name).alias(CAPTION),
            F.lit(name).alias(SOURCE),
            self._score_of(name).alias(SCORE),
            F.lit(weight).alias(WEIGHT),
        )

    def _best_key(self, name: str, place: int) -> Column:
        """A struct that orders by score, then place; its key is null without score or caption."""
        caption, score = self._caption_of(name), self._score_of(name)
        has_both = score.isNotNull() & caption.isNotNull() & (caption != "")
        return F.struct(
            F.when(has_both, score + F.lit(0.0).cast(self.score_type)).alias("key"),
            F.lit(-place).alias("place"),
            self._entry(name, 1.0).alias("entry"),
        )

    def _caption_of(self, name: str) -> Column:
        return named(self.sources[name].caption)

    def _score_of(self, name: str) -> Column:
        column = self.sources[name].score
        if column is None:
            return F.lit(None).cast(self.score_type)
        score = named(column)
        return F.when(~F.isnan(score), score).cast(self.score_type)
