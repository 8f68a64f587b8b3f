"""ImageNet's synsets with lemmas and glosses, from timm's data files."""

from dataclasses import dataclass
from typing import Literal, get_args

from spark_jobs.core.package_files import package_file

SynsetList = Literal["imagenet1k", "imagenet22k"]
SYNSET_LISTS: tuple[SynsetList, ...] = get_args(SynsetList)

_LIST_FILE = {"imagenet1k": "imagenet_synsets.txt", "imagenet22k": "imagenet22k_synsets.txt"}


@dataclass(frozen=True)
class Synset:
    """A WordNet sense: `class_idx` is its position in a list of classes, `gloss` its definition.

    `name`: the first lemma in lower case, as in WordNet's own name of the sense.
    """

    wnid: str
    lemmas: tuple[str, ...]
    gloss: str
    class_idx: int | None
    name: str


def imagenet_synsets(name: SynsetList) -> list[Synset]:
    """The synsets of ImageNet-1k or -22k in class order; wnids are those of WordNet 3.0."""
    lemmas = _text_by_wnid("imagenet_synset_to_lemma.txt")
    glosses = _text_by_wnid("imagenet_synset_to_definition.txt")
    wnids = _lines(_LIST_FILE[name])
    return [
        _synset(wnid, tuple(lemmas[wnid].split(", ")), glosses[wnid], position)
        for position, wnid in enumerate(wnids)
    ]


def _synset(wnid: str, lemmas: tuple[str, ...], gloss: str, position: int) -> Synset:
    return Synset(wnid, lemmas, gloss, position, lemmas[0].lower())


def _text_by_wnid(file: str) -> dict[str, str]:
    pairs = (line.partition("\t") for line in _lines(file))
    return {wnid: text for wnid, _, text in pairs}


def _lines(file: str) -> list[str]:
    text = package_file("timm", "data", "_info", file).read_text(encoding="utf-8")
    return text.removesuffix("\n").split("\n")
