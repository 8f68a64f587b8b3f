"""Choose a caption for each image among those of several sources."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from operator import add, or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DoubleType,
    FloatType,
    StringType,
    StructType,
)

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
        if pick.kind == "best" and len(pick.weights) > 1:
            scores = {name: self._score_of(name, score_type) for name in pick.weights}
            return F.greatest(*(F.when(self._has(pick, n), scores[n]) for n in pick.weights))
        return self._taken(pick, lambda name: self._score_of(name, score_type), SCORE)

    def choice(self, pick: Pick, why: str) -> Column:
        """The struct of caption, its source, its score, why, and the list of all captions."""
        captions = F.lit(None).cast(_LIST_TYPE)
        if pick.kind in ("one", "best", "random"):
            caption = self._taken(pick, self._caption_of, CAPTION)
            source = self._taken(pick, F.lit, SOURCE)
            taken_sources = F.array(source)
        else:
            taken_sources = self._present(pick, F.lit, ArrayType(StringType()))
            texts = [F.when(self._has(pick, name), self._caption_of(name)) for name in pick.weights]
            names = [F.when(self._has(pick, name), F.lit(name)) for name in pick.weights]
            source = F.concat_ws("+", *names)
            if pick.kind == "concat":
                caption = F.concat_ws(self.separator, *texts)
            else:
                total = self._running_weights(pick)[-1]
                caption = F.coalesce(*texts)
                captions = self._present(pick, lambda n: self._entry(pick, n, total), _LIST_TYPE)
        return F.struct(
            caption.alias(CAPTION),
            source.alias(CAPTION_SOURCE),
            self.score(pick).cast("double").alias(SCORE),
            F.lit(why).alias(RULE),
            captions.alias(CAPTIONS_LIST),
            taken_sources.alias(SOURCES),
        )

    def is_missing(self, pick: Pick) -> Column:
        """Whether a row whose step has this pick has no caption of it."""
        return F.lit(False) if pick.kind == "best" else ~self.has_any(pick)

    def has_any(self, pick: Pick) -> Column:
        """Whether a source has what the pick asks for: a caption, of best one with a score."""
        return reduce(or_, (self._has(pick, name) for name in pick.weights))

    def _has(self, pick: Pick, name: str) -> Column:
        has_caption = self._caption_of(name) != ""
        if pick.kind == "best":
            score_type = self.score_type(pick)
            has_caption &= self._score_of(name, score_type).isNotNull()
        return F.coalesce(has_caption, F.lit(False))

    # In what follows no functions are used that take a function of an array's elements: Spark does
    # not compile those, and takes ten times as long.

    def _taken(self, pick: Pick, value: Callable[[str], Column], field: str) -> Column:
        """`value` of the source that a row takes; null if it takes none.

        Of best that of the highest score, of equal ones the first; of random one by its weight.
        """
        if pick.kind == "one":
            return value(next(iter(pick.weights)))
        if pick.kind == "best":
            score_type = self.score_type(pick)
            entries = [
                F.when(
                    self._has(pick, name),
                    F.struct(
                        # 0.0 for -0.0
                        (self._score_of(name, score_type) + F.lit(0.0).cast(score_type)).alias(
                            "key"
                        ),
                        F.lit(-place).alias("place"),
                        value(name).alias(field),
                    ),
                )
                for place, name in enumerate(pick.weights)
            ]
            return F.array_max(F.array(*entries)).getField(field)
        *_, total = running_weights = self._running_weights(pick)
        place = self.draw.of(UID) * total
        taken = F.lit(None)
        for name, running in reversed([*zip(pick.weights, running_weights, strict=True)]):
            is_last = running >= total
            is_taken = self._has(pick, name) & ((running > place) | is_last)
            taken = F.when(is_taken, value(name)).otherwise(taken)
        return taken

    def _running_weights(self, pick: Pick) -> list[Column]:
        """The sums of the weights of captions, up to each source."""
        weights = [
            F.when(self._has(pick, name), F.lit(weight)).otherwise(F.lit(0.0))
            for name, weight in pick.weights.items()
        ]
        return [*accumulate(weights, add)]

    def _present(self, pick: Pick, value: Callable[[str], Column], of_type: DataType) -> Column:
        """The array of `value` of the sources that have a caption."""
        nothing = F.array().cast(of_type)
        parts = [
            F.when(self._has(pick, name), F.array(value(name)).cast(of_type)).otherwise(nothing)
            for name in pick.weights
        ]
        return F.concat(*parts)

    def _entry(self, pick: Pick, name: str, total: Column) -> Column:
        return F.struct(
            self._caption_of(name).alias(CAPTION),
            F.lit(name).alias(SOURCE),
            self._score_of(name, self.score_type(pick)).alias(SCORE),
            (F.lit(pick.weights[name]) / total).alias(WEIGHT),
        )

    def _caption_of(self, name: str) -> Column:
        return named(self.sources[name].caption)

    def _score_of(self, name: str, score_type: DataType) -> Column:
        column = self.sources[name].score
        if column is None:
            return F.lit(None).cast(score_type)
        score = named(column)
        return F.when(~F.isnan(score), score).cast(score_type)
