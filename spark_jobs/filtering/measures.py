"""What measure rules compare: words and characters of texts, sides of images."""

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_jobs.core.columns import named
from spark_jobs.filtering.rules import Measure

PAPERS = (
    "DataComp, basic filtering: words and characters of captions, shorter side and aspect ratio",
)

# What Python's str.split takes for white space; Java's \s is less.
_WHITE_SPACE = "".join(rf"\x{{{ord(c):x}}}" for c in map(chr, range(0x3001)) if c.isspace())
_FASTTEXT_SPACE = r"\x00\t\n\x0b\f\r "  # and each line feed is a token of its own


def measured(rule: Measure) -> Column:
    """The number that a measure rule compares: int, or double for the aspect ratio.

    Null for a null text or side; the aspect ratio too where a side is not positive.
    """
    if rule.is_of_text:
        return _of_text(rule)
    width, height = named(rule.width), named(rule.height)
    shorter, longer = F.least(width, height), F.greatest(width, height)
    has_both = width.isNotNull() & height.isNotNull()
    if rule.measure == "shorter_side":
        return F.when(has_both, shorter)
    return F.when(has_both & (shorter > 0), longer.cast("double") / shorter.cast("double"))


def _of_text(rule: Measure) -> Column:
    text = named(rule.column)
    if rule.measure == "characters":
        return F.length(text)
    if rule.measure == "words":
        return F.regexp_count(text, F.lit(f"[^{_WHITE_SPACE}]+"))
    return F.regexp_count(text, F.lit(rf"[^{_FASTTEXT_SPACE}]+|\n"))
