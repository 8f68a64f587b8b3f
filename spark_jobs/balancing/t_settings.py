"""Settings that determine t: an entry is head if more than t captions match it, else tail."""

from typing import ClassVar

from pydantic import Field, PositiveInt

from spark_jobs.core.settings import Settings


class LanguageSettings(Settings):
    """Whether all entries share one t, or each language has its own."""

    by_language: bool = Field(
        False,
        description="each language of the bank gets its own t, for the tail share of the "
        "reference language (MetaCLIP 2)",
    )
    reference_language: str = Field("en", description="the language that t is meant for")


class ThresholdSettings(LanguageSettings):
    """Exactly one of t, tail_fraction and target_rows; the floor and the seed."""

    mutually_exclusive: ClassVar[tuple[str, ...]] = ("t", "tail_fraction", "target_rows")

    t: PositiveInt | None = Field(
        None,
        description="captions per entry above which an entry is head. Captions are thinned out so "
        "that a head entry keeps about t for its own sake, and more where other entries want its "
        "captions: one stays if any of its entries wants it",
    )
    tail_fraction: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="in place of t: share of matches (0-1) that the tail is to hold, which is the "
        "entries of at most t captions",
    )
    target_rows: PositiveInt | None = Field(
        None, description="in place of t: rows to expect in the output"
    )
    floor: int = Field(
        0, ge=0, description="captions that every entry keeps at least, as far as it has them"
    )
    seed: int = Field(
        0,
        description="fixes all draws; rows drawn before and copied without their mark need another",
    )
