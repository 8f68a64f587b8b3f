"""Settings of which n-grams and titles become entries, with MetaCLIP's and MetaCLIP 2's values."""

from dataclasses import dataclass

from pydantic import Field, NonNegativeInt, PositiveInt

from spark_jobs.concepts.choosing import BIGRAMS, TITLES, UNIGRAMS, RuleName
from spark_jobs.core.settings import Settings


@dataclass(frozen=True)
class Thresholds:
    """What an n-gram or title must reach, and how many of each language may become entries.

    `is_strict`: a PMI of min_pmi is not enough. Limits: of a source a fraction of what was counted
    and a number, None for no limit.
    """

    min_count: int
    min_bigram_count: int
    min_pmi: float
    is_strict: bool
    min_views: int
    min_hour_views: int
    fractions: dict[str, float]
    numbers: dict[str, int | None]

    def limit(self, source: str, n_counted: int) -> int | None:
        """The most entries of a source in one language, of which `n_counted` were counted."""
        number = self.numbers[source]
        if source not in self.fractions:
            return number
        share = int(self.fractions[source] * n_counted)
        return share if number is None else min(share, number)


class EntryRules(Settings):
    """Settings: thresholds and limits; those that are not set are the rule's."""

    rule: RuleName = Field(
        "metaclip",
        description="metaclip: thresholds, one bank; metaclip2: a bank of each language (column "
        "lang of the texts, project of the page views), by limits",
    )
    min_count: PositiveInt | None = Field(
        None, description="of a unigram in the texts; default: 100, with metaclip2 1"
    )
    min_bigram_count: PositiveInt = Field(1, description="of a bigram in the texts")
    min_pmi: float | None = Field(
        None,
        description="pointwise mutual information of a bigram in bits, at least (metaclip) or more "
        "than this (metaclip2); default: 30, which needs 2^30 words",
    )
    min_views: PositiveInt | None = Field(
        None, description="of a title, summed over hours; default: 70, with metaclip2 1"
    )
    min_hour_views: NonNegativeInt | None = Field(
        None, description="of a title in an hour that counts; default: 50, with metaclip2 1"
    )
    unigram_fraction: float | None = Field(
        None, gt=0, le=1, description="of the unigrams, most frequent first; with metaclip2 0.1"
    )
    title_fraction: float | None = Field(
        None, gt=0, le=1, description="of the titles, most viewed first; with metaclip2 0.76"
    )
    max_unigrams: PositiveInt | None = Field(
        None, description="entries of a language; with metaclip2 251,465"
    )
    max_bigrams: PositiveInt | None = Field(
        None, description="entries of a language, highest PMI first; with metaclip2 100,646"
    )
    max_titles: PositiveInt | None = Field(
        None, description="entries of a language; with metaclip2 61,235"
    )

    def thresholds(self) -> Thresholds:
        """The thresholds and limits that are set, else those of the rule."""
        base = _METACLIP2 if self.rule == "metaclip2" else _METACLIP
        set_values = self.model_dump(include={*_METACLIP2}, exclude_none=True)
        values = base | set_values
        fractions = {UNIGRAMS: values["unigram_fraction"], TITLES: values["title_fraction"]}
        return Thresholds(
            min_count=values["min_count"],
            min_bigram_count=self.min_bigram_count,
            min_pmi=values["min_pmi"],
            is_strict=self.rule == "metaclip2",
            min_views=values["min_views"],
            min_hour_views=values["min_hour_views"],
            fractions={source: share for source, share in fractions.items() if share is not None},
            numbers={source: values[f"max_{source}"] for source in (UNIGRAMS, BIGRAMS, TITLES)},
        )


# As published; MetaCLIP 2's are the shares and numbers of MetaCLIP's English bank.
_METACLIP = {
    "min_count": 100,
    "min_pmi": 30.0,
    "min_views": 70,
    "min_hour_views": 50,
    "unigram_fraction": None,
    "title_fraction": None,
    "max_unigrams": None,
    "max_bigrams": None,
    "max_titles": None,
}
_METACLIP2 = {
    "min_count": 1,
    "min_pmi": 30.0,
    "min_views": 1,
    "min_hour_views": 1,
    "unigram_fraction": 0.1,
    "title_fraction": 0.76,
    "max_unigrams": 251_465,
    "max_bigrams": 100_646,
    "max_titles": 61_235,
}
