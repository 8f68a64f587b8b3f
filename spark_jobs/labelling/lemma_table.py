"""The lemmas of a list of synsets, and which of them name one synset alone."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from spark_jobs.core.errors import InputDataError


@dataclass(frozen=True)
class Synset:
    """A class: its id, its position in the list of classes, its lemmas."""

    wnid: str
    class_idx: int
    lemmas: tuple[str, ...]


@dataclass(frozen=True)
class LemmaTable:
    """Lemmas to look for, those of one synset together. `owner`: position of a lemma's synset."""

    synsets: Sequence[Synset]
    lemmas: Sequence[str]
    owner: Sequence[int]


def synsets_from_tsv(text: str, name: str) -> list[Synset]:
    """Lines `wnid<TAB>lemma, lemma` or `wnid<TAB>lemma<TAB>lemma`; which is told by the whole file.

    A class's position is that of its wnid among the sorted wnids. Raises InputDataError with the
    line that is none.
    """
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    fields = [line.split("\t") for line in lines]
    has_tabs = any(len(parts) > 2 for parts in fields)
    found = []
    for number, (wnid, *rest) in enumerate(fields, start=1):
        lemmas = rest if has_tabs else [lemma for part in rest for lemma in part.split(", ")]
        if not wnid or not lemmas or not all(lemmas):
            raise InputDataError(f"{name}: line {number}: expected a wnid, a tab, and lemmas")
        found.append((wnid, tuple(lemmas)))
    return by_wnid(found, name)


def by_wnid(rows: Iterable[tuple[str, Sequence[str]]], name: str) -> list[Synset]:
    """Synsets in the order of their wnids; InputDataError for a wnid that comes twice."""
    ordered = sorted(rows)
    for (wnid, _), (following, _) in itertools.pairwise(ordered):
        if wnid == following:
            raise InputDataError(f"{name}: the synset {wnid} is there twice")
    return [Synset(wnid, i, tuple(lemmas)) for i, (wnid, lemmas) in enumerate(ordered)]


def lemma_table(
    synsets: Sequence[Synset], *, unique_by: Callable[[str], str] | None = None
) -> LemmaTable:
    """Every lemma of every synset, each once a synset.

    `unique_by`: only those whose value by this function no other synset has (LAIONet's rule).
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
