"""Tables of lemmas to search for, made from a list of synsets."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from spark_jobs.core.errors import InputDataError

PAPERS = ("LAIONet, labels: lemmas that name one synset alone",)


@dataclass(frozen=True)
class Synset:
    """A class: its WordNet id, its position in the list of classes, its lemmas."""

    wnid: str
    class_idx: int
    lemmas: tuple[str, ...]


@dataclass(frozen=True)
class LemmaTable:
    """Lemmas to search for, ordered by synset; `owner`: position of each lemma's synset."""

    synsets: Sequence[Synset]
    lemmas: Sequence[str]
    owner: Sequence[int]


def synsets_from_tsv(text: str, name: str) -> list[Synset]:
    """Read synsets from lines `wnid<TAB>lemma, lemma` or `wnid<TAB>lemma<TAB>lemma`.

    The file is of the second form if any line has two tabs. class_idx is the position of the wnid
    among the sorted wnids. Raises InputDataError for a line without wnid or lemmas; `name` is the
    file's name in it.
    """
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    fields = [line.split("\t") for line in lines]
    has_tabs = any(len(parts) > 2 for parts in fields)
    wnids_with_lemmas = []
    for number, (wnid, *rest) in enumerate(fields, start=1):
        lemmas = rest if has_tabs else [lemma for part in rest for lemma in part.split(", ")]
        if not wnid or not lemmas or not all(lemmas):
            raise InputDataError(f"{name}: line {number}: expected a wnid, a tab, and lemmas")
        wnids_with_lemmas.append((wnid, tuple(lemmas)))
    return synsets_by_wnid(wnids_with_lemmas, name)


def synsets_by_wnid(
    wnids_with_lemmas: Iterable[tuple[str, Sequence[str]]], name: str
) -> list[Synset]:
    """Synsets in the order of their wnids; raises InputDataError for a repeated wnid."""
    ordered = sorted(wnids_with_lemmas)
    for (wnid, _), (next_wnid, _) in itertools.pairwise(ordered):
        if wnid == next_wnid:
            raise InputDataError(f"{name}: the synset {wnid} is there twice")
    return [Synset(wnid, i, tuple(lemmas)) for i, (wnid, lemmas) in enumerate(ordered)]


def lemma_table(
    synsets: Sequence[Synset], *, unique_by: Callable[[str], str] | None = None
) -> LemmaTable:
    """All lemmas of all synsets, without repeats within a synset.

    `unique_by`: leaves out a lemma whose value by this function another synset has too (the rule
    of LAIONet, Shirali & Hardt 2023).
    """
    owners: defaultdict[str, set[int]] = defaultdict(set)
    pairs = [
        (position, lemma)
        for position, synset in enumerate(synsets)
        for lemma in dict.fromkeys(synset.lemmas)
    ]
    if unique_by is not None:
        for position, lemma in pairs:
            owners[unique_by(lemma)].add(position)
        pairs = [(p, lemma) for p, lemma in pairs if len(owners[unique_by(lemma)]) == 1]
    return LemmaTable(synsets, [lemma for _, lemma in pairs], [p for p, _ in pairs])
