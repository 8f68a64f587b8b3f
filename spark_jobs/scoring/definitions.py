"""What a class is called in the queries that captions are compared with (LAIONet)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

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
    """The text of a query (Shirali & Hardt 2023).

    `lemma` stands for the synset's name, which is its first lemma in lower case, but for the kinds
    with all lemmas.
    """
    before, form = "", str(kind)
    for prefix, photo in _PHOTO.items():
        if kind.startswith(prefix):
            before, form = photo, kind.removeprefix(prefix)
    name = definition.lemmas[0].lower() if lemma is None else lemma
    told = {
        "name": name,
        "name_def": f"{name} which is {definition.gloss}",
        "lemmas": " or ".join(definition.lemmas),
    }
    return before + told[form]


def similarity_column(kind: QueryType, key: QueryKey) -> str:
    """What LAIONet calls the similarity of a caption to such a query."""
    return f"text_to_{kind}_{key}_similarity"
