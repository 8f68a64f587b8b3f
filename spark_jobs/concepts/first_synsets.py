"""The first WordNet synset of words, as nltk finds it: which words have theirs in a list."""

from collections.abc import Iterable, Mapping, Sequence

from spark_jobs.core.errors import InputDataError
from spark_jobs.core.package_files import package_file

_PARTS = ("noun", "verb", "adj", "adv")  # in nltk's order of parts of speech
WORD_FILES = tuple(f"index.{part}" for part in _PARTS) + tuple(f"{part}.exc" for part in _PARTS)
_VERSION = b"WordNet 3.0 Copyright"
# Ending -> ending of the lemma (the rules of detachment of WordNet's morphy, by part of speech).
_ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "noun": (
        *(("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch")),
        *(("shes", "sh"), ("men", "man"), ("ies", "y")),
    ),
    "verb": (
        *(("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", "")),
        *(("ing", "e"), ("ing", "")),
    ),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}


def imagenet21k_wnids() -> list[str]:
    """The wnids of ImageNet-21k's 21,843 synsets."""
    file = package_file("timm", "data", "_info", "imagenet21k_goog_synsets.txt")
    return file.read_text(encoding="utf-8").split()


def words_with_first_synset_in(
    files: Mapping[str, bytes], offsets: Iterable[int], name: str
) -> list[str]:
    """All words, in lower case, whose first synset has one of these offsets, sorted.

    `files`: name -> content of WORD_FILES of WordNet 3.0. The first synset of a word is the first
    one of nltk's `synsets(word)`: of nouns, verbs, adjectives, adverbs, and in each of the word
    itself, then of its lemmas by the file of exceptions or, without an entry there, by the endings.
    Raises InputDataError if a file is missing or is not one of WordNet 3.0.
    """
    missing = [file for file in WORD_FILES if file not in files]
    if missing:
        raise InputDataError(f"{name}: is no WordNet folder, it lacks {', '.join(missing)}")
    if _VERSION not in files["index.noun"][:4096]:
        raise InputDataError(f"{name}: index.noun is not of WordNet 3.0, whose ids are ImageNet's")
    wanted, offset_of_word = set(offsets), {}
    for part in _PARTS:
        first = _first_offsets(files[f"index.{part}"], f"{name}: index.{part}")
        exceptions = _exceptions(files[f"{part}.exc"])
        for word in _forms(first, exceptions, _ENDINGS[part]):
            if word not in offset_of_word:
                lemma = _first_lemma(word, first, exceptions, _ENDINGS[part])
                if lemma is not None:
                    offset_of_word[word] = first[lemma]
    return sorted(word for word, offset in offset_of_word.items() if offset in wanted)


def _first_offsets(index: bytes, name: str) -> dict[str, int]:
    """Lemma -> offset of its first synset, of an index file."""
    offsets = {}
    for line in index.decode("ascii", "replace").split("\n"):
        if line[:1] in ("", " "):
            continue
        try:
            lemma, _, n_synsets, *_ = fields = line.split()
            offsets[lemma] = int(fields[-int(n_synsets)])
        except (ValueError, IndexError):
            raise InputDataError(f"{name} cannot be read as WordNet ({line[:40]!r})") from None
    return offsets


def _exceptions(file: bytes) -> dict[str, list[str]]:
    lines = (line.split() for line in file.decode("ascii", "replace").split("\n"))
    return {form: lemmas for form, *lemmas in filter(None, lines)}


def _forms(
    first: Mapping[str, int],
    exceptions: Mapping[str, Sequence[str]],
    endings: Sequence[tuple[str, str]],
) -> Iterable[str]:
    """All words that could have a lemma among these, each once."""
    forms = dict.fromkeys([*first, *exceptions])
    for lemma in first:
        for ending, of_lemma in endings:
            if lemma.endswith(of_lemma):
                forms[lemma.removesuffix(of_lemma) + ending] = None
    return forms


def _first_lemma(
    word: str,
    first: Mapping[str, int],
    exceptions: Mapping[str, Sequence[str]],
    endings: Sequence[tuple[str, str]],
) -> str | None:
    by_ending = (
        word.removesuffix(ending) + lemma for ending, lemma in endings if word.endswith(ending)
    )
    lemmas = (word, *exceptions.get(word, by_ending))
    return next((lemma for lemma in lemmas if lemma in first), None)
