"""Texts of queries for a synset, which captions are compared with (LAIONet)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

PAPERS = ("LAIONet, text similarity: the text of a synset's name and definition",)

QueryKey = Literal["wnid", "lemma"]
QueryType = Literal[
    "name",
    "name_def",
    "lemmas",
    "a_photo_of_name",
    "a_photo_of_name_def",
    "a_clear_photo_of_name_def",
    "a_photo_of_lemmas",
]
QUERY_TYPES: tuple[QueryType, ...] = get_args(QueryType)
_PHOTO = {"a_photo_of_": "a photo of ", "a_clear_photo_of_": "a clear photo of "}


@dataclass(frozen=True)
class Definition:
    """A synset: its lemmas, and its gloss without examples."""

    wnid: str
    lemmas: Sequence[str]
    gloss: str


def query_text(kind: QueryType, definition: Definition, lemma: str | None = None) -> str:
    """The text of a query (LAIONet, Shirali & Hardt 2023).

    The synset's name is `lemma`, by default its first lemma in lower case; the kinds with all
    lemmas do not use it.
    """
    photo, form = "", str(kind)
    for prefix, photo_text in _PHOTO.items():
        if kind.startswith(prefix):
            photo, form = photo_text, kind.removeprefix(prefix)
    name = definition.lemmas[0].lower() if lemma is None else lemma
    texts = {
        "name": name,
        "name_def": f"{name} which is {definition.gloss}",
        "lemmas": " or ".join(definition.lemmas),
    }
    return photo + texts[form]


def similarity_column(kind: QueryType, key: QueryKey) -> str:
    """LAIONet's column name for the similarity of a caption to such a query."""
    return f"text_to_{kind}_{key}_similarity"
