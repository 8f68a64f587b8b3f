"""Queries of words for classes (Parashar et al. 2024): all words of a name, no excluding word."""

import re
from collections.abc import Callable, Sequence

from spark_jobs.retrieval.class_queries import ClassFile, ClassQuery, class_name_faults
from spark_jobs.retrieval.query import And, Or, Phrase, Query, Without

WordsOf = Callable[[str], Sequence[str]]


def word_queries(
    file: ClassFile, name: str, words_of: WordsOf
) -> tuple[list[ClassQuery], list[str]]:
    """The query of each valid class, whose phrases are single words, and a line for each fault.

    A query holds for a caption with all words of an alternative and no word of a negative. Without
    alternatives the parts of the class's name are used. An alternative without letters is a fault,
    since it would hold for every caption.
    """
    faults = class_name_faults(file, name)
    queries = []
    for class_name in dict.fromkeys(file.classes):
        alternatives = file.alternatives.get(class_name) or alternatives_in_name(class_name)
        negatives = file.negatives.get(class_name, [])
        without_words = [text for text in (*alternatives, *negatives) if not words_of(text)]
        if without_words:
            faults.append(
                f"{name}: class {class_name!r}: {without_words[0]!r} has no letter from a to z"
            )
            continue
        query = _any_of([_all_words(words_of(text)) for text in alternatives])
        if negatives:
            unwanted = dict.fromkeys(word for text in negatives for word in words_of(text))
            query = Without(query, _any_of([Phrase((word,)) for word in unwanted]))
        queries.append(ClassQuery(file.dataset, class_name, query))
    return queries, faults


def alternatives_in_name(class_name: str) -> list[str]:
    """The parts of a name between " or " and " / ", without parentheses."""
    return re.split(r" or | / ", class_name.replace("(", "").replace(")", ""))


def one_letter_warnings(file: ClassFile, name: str, words_of: WordsOf) -> list[str]:
    """A line for each class with an alternative of one letter, which matches nearly all captions.

    `name`: the file's name in these lines.
    """
    return [
        f"{name}: class {class_name!r}: {text!r} comes down to the letter {words_of(text)[0]!r}"
        for class_name in dict.fromkeys(file.classes)
        for text in file.alternatives.get(class_name) or alternatives_in_name(class_name)
        if len("".join(words_of(text))) == 1
    ]


def _all_words(words: Sequence[str]) -> Query:
    phrases = tuple(Phrase((word,)) for word in words)
    return phrases[0] if len(phrases) == 1 else And(phrases)


def _any_of(queries: Sequence[Query]) -> Query:
    return queries[0] if len(queries) == 1 else Or(tuple(queries))
