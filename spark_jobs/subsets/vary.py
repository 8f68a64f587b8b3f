"""Caption variants of clip-beyond-tail (Wen et al. 2024): a class template, then record texts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.core.columns import free_name, keys, named
from spark_jobs.core.draws import Draw
from spark_jobs.core.schemas import CAPTION, CLASS_IDX, WNID
from spark_jobs.ingest.record_texts import Text, joined_texts, on_one_line

PAPERS = ("clip-beyond-tail, variants: captions from class names and templates",)

Template = Literal["cname", "a+cname", "photo", "openai80"]
_TEMPLATES: dict[Template, str] = {"cname": "{}", "a+cname": "a {}", "photo": "a photo of a {}"}

_NAMES = "_names"


@dataclass(frozen=True)
class NamedClass:
    """A class with the names by which captions may call it."""

    wnid: str
    class_idx: int
    names: Sequence[str]


def vary(
    records: DataFrame,
    classes: Sequence[NamedClass],
    texts: Collection[Text],
    *,
    front: Sequence[str] | None,
    draw: Draw,
) -> DataFrame:
    """Compose the captions of the records of these classes from their texts, and add class_idx.

    front: templates to put before the texts, with `{}` for a name of the class; each record draws
    one template and one name. None for the texts alone. Records with a blank caption are left out.
    """
    names = free_name(records, _NAMES)
    class_rows = [(c.wnid, c.class_idx, list(c.names)) for c in classes]
    schema = f"{WNID} string, {CLASS_IDX} int, {names} array<string>"
    table = records.sparkSession.createDataFrame(class_rows, schema)
    joined = records.drop(CLASS_IDX).join(F.broadcast(table), on=WNID)
    text = joined_texts(texts)
    if front is not None:
        key_columns = keys(records)
        template = _drawn_item(F.array(*map(F.lit, front)), draw.step("template").of(*key_columns))
        name = _drawn_item(named(names), draw.step("lemma").of(*key_columns))
        text = F.concat(F.replace(template, F.lit("{}"), name), F.lit(" "), text)
    varied = joined.withColumn(CAPTION, on_one_line(text)).drop(names)
    is_blank = F.replace(CAPTION, F.lit(" "), F.lit("")) == ""
    columns = [name for name in varied.columns if name != CLASS_IDX]
    return varied.where(~is_blank).select(*map(named, columns), CLASS_IDX)


def templates_of(template: Template, openai80: Sequence[str]) -> Sequence[str]:
    """The templates that a mode stands for: one, or OpenAI's 80."""
    return openai80 if template == "openai80" else [_TEMPLATES[template]]


def _drawn_item(items: Column, draw: Column) -> Column:
    # draw < 1, but draw * size may be rounded up to size.
    index = F.least(F.floor(draw * F.size(items)), F.size(items) - F.lit(1))
    return F.get(items, index.cast("int"))
