"""Captions joined from the texts of an ImageNet-Captions record (Fang et al. 2022)."""

from collections.abc import Collection
from functools import reduce
from typing import Literal, get_args

from pyspark.sql import Column
from pyspark.sql import functions as F

PAPERS = ("ImageNet-Captions, published records: a caption from title, description and tags",)

Text = Literal["title", "tags", "description"]
TEXTS: tuple[Text, ...] = get_args(Text)
TITLE, TAGS, DESCRIPTION = TEXTS


def joined_texts(texts: Collection[Text]) -> Column:
    """Join the non-empty texts with spaces, in the order title, tags, description.

    As published, a list of one empty tag counts as a text: it is preceded by a space, unless it is
    the first.
    """
    return reduce(_append_text, (text for text in TEXTS if text in texts), F.lit(""))


def on_one_line(text: Column) -> Column:
    """The text with LF, CR and tab replaced by a space each."""
    return F.translate(text, "\n\r\t", "   ")


def _append_text(joined: Column, text: Text) -> Column:
    is_present = F.size(TAGS) > 0 if text == TAGS else F.col(text) != ""
    value = F.array_join(TAGS, " ") if text == TAGS else F.col(text)
    appended = F.when(joined == "", value).otherwise(F.concat(joined, F.lit(" "), value))
    return F.when(is_present, appended).otherwise(joined)
