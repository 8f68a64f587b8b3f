"""Captions put together from the texts of an ImageNet-Captions record (Fang et al. 2022)."""

from collections.abc import Collection
from functools import reduce
from typing import Literal, get_args

from pyspark.sql import Column
from pyspark.sql import functions as F

Text = Literal["title", "tags", "description"]
TEXTS: tuple[Text, ...] = get_args(Text)
TITLE, TAGS, DESCRIPTION = TEXTS


def joined_texts(texts: Collection[Text]) -> Column:
    """The texts that are there, in the order title, tags, description, a space between.

    As published, a list of one empty tag is a text: a space comes before it, and none after it
    where it is the first.
    """
    return reduce(_with, (text for text in TEXTS if text in texts), F.lit(""))


def on_one_line(text: Column) -> Column:
    """LF, CR and tab become a space each."""
    return F.translate(text, "\n\r\t", "   ")


def _with(before: Column, text: Text) -> Column:
    is_there = F.size(TAGS) > 0 if text == TAGS else F.col(text) != ""
    value = F.array_join(TAGS, " ") if text == TAGS else F.col(text)
    both = F.when(before == "", value).otherwise(F.concat(before, F.lit(" "), value))
    return F.when(is_there, both).otherwise(before)
