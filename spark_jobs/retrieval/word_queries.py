"""Classes as sets of words: all words of one of a class's names, and none that speak against it."""

import re
from collections.abc import Callable, Sequence

from spark_jobs.retrieval.class_queries import ClassFile, ClassQuery, faults_of_names
from spark_jobs.retrieval.query import And, Or, Phrase, Query, Without

WordsOf = Callable[[str], Sequence[str]]


def word_queries(
    file: ClassFile, name: str, words_of: WordsOf
) -> tuple[list[ClassQuery], list[str]]:
    """The query of each class, a word a phrase, and a line for each class that is faulty.

    A class holds for a caption with all words of an alternative and no word of a negative. Without
    alternatives its name is taken apart. An alternative without letters would hold for every
    caption, so it is a fault.
    """
    faults = faults_of_names(file, name)
    queries = []
    for known in dict.fromkeys(file.classes):
        alternatives = file.alternatives.get(known) or parts_of_name(known)
        negatives = file.negatives.get(known, [])
        empty = [text for text in (*alternatives, *negatives) if not words_of(text)]
        if empty:
            faults.append(f"{name}: class {known!r}: {empty[0]!r} has no letter from a to z")
            continue
        query = _one_of([_all_of(words_of(text)) for text in alternatives])
        if negatives:
            unwanted = dict.fromkeys(word for text in negatives for word in words_of(text))
            query = Without(query, _one_of([Phrase((word,)) for word in unwanted]))
        queries.append(ClassQuery(file.dataset, known, query))
    return queries, faults


def parts_of_name(name: str) -> list[str]:
    """A name's alternatives: what " or " and " / " part, without parentheses."""
    return re.split(r" or | / ", name.replace("(", "").replace(")", ""))


def too_short(file: ClassFile, name: str, words_of: WordsOf) -> list[str]:
    """A line for each class with an alternative of one letter, which nearly every caption holds."""
    return [
        f"{name}: class {known!r}: {text!r} comes down to the letter {words_of(text)[0]!r}"
        for known in dict.fromkeys(file.classes)
        for text in file.alternatives.get(known) or parts_of_name(known)
        if len("".join(words_of(text))) == 1
    ]


def _all_of(words: Sequence[str]) -> Query:
    phrases = tuple(Phrase((word,)) for word in words)
    return phrases[0] if len(phrases) == 1 else And(phrases)


def _one_of(queries: Sequence[Query]) -> Query:
    return queries[0] if len(queries) == 1 else Or(tuple(queries))
