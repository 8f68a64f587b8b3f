"""What each pick of a mix takes of a row, as columns.

No functions of arrays that take a function of their elements: Spark does not compile those, and
takes ten times as long.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from operator import add, or_

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DoubleType,
    FloatType,
    StringType,
    StructType,
)

from spark_jobs.captioning.mix_expression import Pick
from spark_jobs.captioning.mix_sources import SourceColumns
from spark_jobs.core.columns import named
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

_LIST_TYPE = WEIGHTED_CAPTIONS[CAPTIONS_LIST].dataType


@dataclass(frozen=True)
class Picks:
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

        def score_of(name: str) -> Column:
            return self._score_of(name, score_type)

        if pick.kind == "best" and len(pick.weights) > 1:  # `greatest` takes two, and no array
            return F.greatest(*self._where_present(pick, score_of))
        return self._taken(pick, score_of, SCORE)

    def choice(self, pick: Pick, why: str) -> Column:
        """The struct of caption, its source, its score, why, and the list of all captions."""
        captions = F.lit(None).cast(_LIST_TYPE)
        if pick.kind in ("one", "best", "random"):
            caption = self._taken(pick, self._caption_of, CAPTION)
            source = self._taken(pick, F.lit, SOURCE)
            taken_sources = F.array(source)
        else:
            taken_sources = self._present(pick, F.lit, ArrayType(StringType()))
            source = F.concat_ws("+", *self._where_present(pick, F.lit))
            texts = self._where_present(pick, self._caption_of)
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

    def _taken(self, pick: Pick, value: Callable[[str], Column], field: str) -> Column:
        """`value` of the source that a row takes; null if it takes none.

        Of best that of the highest score, of equal ones the first; of random one by its weight.
        """
        if pick.kind == "one":
            return value(next(iter(pick.weights)))
        if pick.kind == "best":
            score_type = self.score_type(pick)
            places = {name: -place for place, name in enumerate(pick.weights)}

            def entry(name: str) -> Column:
                key = self._score_of(name, score_type) + F.lit(0.0).cast(score_type)  # 0.0 for -0.0
                place = F.lit(places[name])
                return F.struct(key.alias("key"), place.alias("place"), value(name).alias(field))

            entries = self._where_present(pick, entry)
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

    def _where_present(self, pick: Pick, value: Callable[[str], Column]) -> list[Column]:
        """`value` of each source, null where that has no caption."""
        return [F.when(self._has(pick, name), value(name)) for name in pick.weights]

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
