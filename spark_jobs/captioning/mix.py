"""Choose a caption for each image among those of several sources."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, FloatType, StructType

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
    SOURCES,
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
class SourceTable:
    """A table with columns of a source, called otherwise than any of the images', and its uid."""

    rows: DataFrame
    uid: str


@dataclass(frozen=True)
class SourceColumns:
    """The columns of a source's captions and scores; a score is null, or NaN, if there is none.

    `tables`: those of its columns that are not columns of the images, a row a uid at most.
    """

    caption: str
    score: str | None
    tables: Sequence[SourceTable] = ()


def with_sources(
    images: DataFrame, sources: Mapping[str, SourceColumns], names: Iterable[str]
) -> DataFrame:
    """The images with the columns of some sources, null where their tables have no row."""
    for table in (table for name in names for table in sources[name].tables):
        is_same = named(UID) == named(table.uid)
        images = images.join(table.rows, on=is_same, how="left").drop(table.uid)
    return images


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
    picks = _Picks(sources, rows.schema, draw, separator)
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


@dataclass(frozen=True)
class _Picks:
    """Columns of what each pick takes of a row."""

    sources: Mapping[str, SourceColumns]
    schema: StructType
    draw: Draw
    separator: str

    def score_type(self, pick: Pick) -> DataType:
        """The widest type of the scores of a pick's sources: float if all are, else double."""
        columns = [self.sources[name].score for name in pick.weights]
        types = {self.schema[column].dataType for column in columns if column is not None}
        return DoubleType() if DoubleType() in types else FloatType()

    def score(self, pick: Pick) -> Column:
        """The score of what a row takes; null if it has none."""
        score_type = self.score_type(pick)
        if pick.kind in ("concat", "all"):
            return F.lit(None).cast(score_type)
        if pick.kind == "one":
            [name] = pick.weights
            return self._score_of(name, score_type)
        return self._taken(pick).getField(SCORE)

    def choice(self, pick: Pick, why: str) -> Column:
        """The struct of caption, its source, its score, why, and the list of all captions."""
        captions = F.lit(None).cast(_LIST_TYPE)
        if pick.kind == "one":
            [name] = pick.weights
            caption, source = self._caption_of(name), F.lit(name)
            taken_sources = F.array(source)
        elif pick.kind in ("best", "random"):
            taken = self._taken(pick)
            caption, source = taken.getField(CAPTION), taken.getField(SOURCE)
            taken_sources = F.array(source)
        else:
            entries = self._entries(pick)
            taken_sources = F.transform(entries, lambda e: e[SOURCE])
            source = F.array_join(taken_sources, "+")
            if pick.kind == "concat":
                texts = F.transform(entries, lambda e: e[CAPTION])
                caption = F.array_join(texts, self.separator)
            else:
                total = _sum_of_weights(entries)
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
            taken_sources.alias(SOURCES),
        )

    def _taken(self, pick: Pick) -> Column:
        """The entry of the best score, of equal ones the first; or a random one of a caption."""
        entries, score_type = self._entries(pick), self.score_type(pick)
        if pick.kind == "best":
            scored = [
                self._best_key(name, place, score_type) for place, name in enumerate(pick.weights)
            ]
            best = F.array_max(F.filter(F.array(*scored), lambda e: e["key"].isNotNull()))
            return best.getField("entry")
        place = self.draw.of(UID) * _sum_of_weights(entries)
        running = F.transform(
            entries, lambda _, number: _sum_of_weights(F.slice(entries, 1, number + 1))
        )
        number = F.size(F.filter(running, lambda end: end <= place))
        return F.get(entries, number)

    def _entries(self, pick: Pick) -> Column:
        """The entries (caption, source, score, weight) of the sources that have a caption."""
        score_type = self.score_type(pick)
        entries = [self._entry(name, weight, score_type) for name, weight in pick.weights.items()]
        return F.filter(F.array(*entries), lambda e: e[CAPTION].isNotNull() & (e[CAPTION] != ""))

    def _entry(self, name: str, weight: float, score_type: DataType) -> Column:
        return F.struct(
            self._caption_of(name).alias(CAPTION),
            F.lit(name).alias(SOURCE),
            self._score_of(name, score_type).alias(SCORE),
            F.lit(weight).alias(WEIGHT),
        )

    def _best_key(self, name: str, place: int, score_type: DataType) -> Column:
        """A struct that orders by score, then place; its key is null without score or caption."""
        caption, score = self._caption_of(name), self._score_of(name, score_type)
        has_both = score.isNotNull() & caption.isNotNull() & (caption != "")
        return F.struct(
            F.when(has_both, score + F.lit(0.0).cast(score_type)).alias("key"),
            F.lit(-place).alias("place"),
            self._entry(name, 1.0, score_type).alias("entry"),
        )

    def _caption_of(self, name: str) -> Column:
        return named(self.sources[name].caption)

    def _score_of(self, name: str, score_type: DataType) -> Column:
        column = self.sources[name].score
        if column is None:
            return F.lit(None).cast(score_type)
        score = named(column)
        return F.when(~F.isnan(score), score).cast(score_type)


def _sum_of_weights(entries: Column) -> Column:
    return F.aggregate(entries, F.lit(0.0), lambda sum_, entry: sum_ + entry[WEIGHT])
