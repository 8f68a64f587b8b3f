"""What measure rules compare: words and characters of texts, sides of images."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

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
# White space other than U+0020 and NUL in UTF-8, and spaces that make no word.
_ODD_OCTETS = (*(bytes([code]) for code in (0, 9, 10, 11, 12, 13, 28, 29, 30, 31)), b"  ")
# E2 80 has quotes and dashes too.
_ODD_LETTERS = (
    *(b"\xc2\x85", b"\xc2\xa0", b"\xe1\x9a\x80", b"\xe2\x80", b"\xe2\x81\x9f", b"\xe3\x80\x80"),
)


def measured(rule: Measure) -> Column:
    """The number that a measure rule compares: int, or double for the aspect ratio.

    Null for a null text, and for a null or NaN side; the aspect ratio too where a side is not
    positive.
    """
    if rule.is_of_text:
        return _of_text(rule)
    width, height = named(rule.width), named(rule.height)
    shorter, longer = F.least(width, height), F.greatest(width, height)
    has_both = width.isNotNull() & height.isNotNull() & ~F.isnan(longer)  # the longest is NaN
    if rule.measure == "shorter_side":
        return F.when(has_both, shorter)
    return F.when(has_both & (shorter > 0), longer.cast("double") / shorter.cast("double"))


def _of_text(rule: Measure) -> Column:
    text = named(rule.column)
    if rule.measure == "characters":
        return F.length(text)
    separators = _WHITE_SPACE if rule.measure == "words" else _FASTTEXT_SPACE
    line_feeds = "" if rule.measure == "words" else r"|\n"
    by_pattern = F.regexp_count(text, F.lit(f"[^{separators}]+{line_feeds}"))
    return F.when(_has_single_spaces_alone(text), _spaces(text) + 1).otherwise(by_pattern)


def _has_single_spaces_alone(text: Column) -> Column:
    """Whether words are what stands between single spaces: then spaces are counted.

    Most captions are like that, and a regular expression takes ten times as long.
    """
    has_edge = (text == "") | F.startswith(text, F.lit(" ")) | F.endswith(text, F.lit(" "))
    is_ascii = F.octet_length(text) == F.length(text)  # as most are: six looks less
    return ~(has_edge | _has_one_of(_ODD_OCTETS, text)) & (
        is_ascii | ~_has_one_of(_ODD_LETTERS, text)
    )


def _has_one_of(octets: Sequence[bytes], text: Column) -> Column:
    looks = (F.contains(text.cast("binary"), F.lit(bytearray(one))) for one in octets)
    return reduce(or_, looks)


def _spaces(text: Column) -> Column:
    return F.octet_length(text) - F.octet_length(F.replace(text, F.lit(" "), F.lit("")))
