"""Read WordNet's synsets from its database files, with nltk."""

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spark_jobs.concepts.synsets import Synset
from spark_jobs.core.errors import InputDataError, SettingsError
from udfs.text.word_match import Lemmatiser

_PARTS = ("adj", "adv", "noun", "verb")
FILES = tuple(f"{kind}.{part}" for kind in ("data", "index") for part in _PARTS)
_VERSION = b"WordNet 3.0 Copyright"
# Further files that nltk opens but synsets do not need; Debian's wordnet-base lacks lexnames.
_PLACEHOLDER_FILES = {"lexnames": "".join(f"{i:02} file{i:02} 0\n" for i in range(45))} | {
    f"{part}.exc": "" for part in _PARTS
}


def wordnet_synsets(files: Mapping[str, bytes], name: str) -> list[Synset]:
    """All synsets of WordNet 3.0, in nltk's order: nouns, adjectives, adverbs, verbs.

    `files`: name -> content of the database files. The wnid is the part of speech and the offset
    in eight digits, as in ImageNet; `lemmas` have spaces in place of underscores. Raises
    InputDataError if a file is missing or is not one of WordNet 3.0.
    """
    missing = [file for file in FILES if file not in files]
    if missing:
        raise InputDataError(f"{name}: is no WordNet folder, it lacks {', '.join(missing)}")
    for file in FILES:
        if _VERSION not in files[file][:4096]:
            raise InputDataError(f"{name}: {file} is not of WordNet 3.0, whose ids are ImageNet's")
    try:
        with _open_synsets(files) as synsets:
            return [
                Synset(
                    wnid=f"{synset.pos()}{synset.offset():08}",
                    lemmas=tuple(lemma.replace("_", " ") for lemma in synset.lemma_names()),
                    gloss=synset.definition(),
                    class_idx=None,
                    name=_entry_name(synset.name()),
                )
                for synset in synsets
            ]
    except (ValueError, KeyError, IndexError, AssertionError, UnicodeDecodeError) as fault:
        raise InputDataError(f"{name}: cannot be read as WordNet ({fault})") from None


def _entry_name(synset_name: str) -> str:
    """MetaCLIP's entry for a synset: of `dog.n.01` the part before the first dot, with spaces."""
    return synset_name.partition(".")[0].replace("_", " ")


@contextmanager
def _open_synsets(files: Mapping[str, bytes]) -> Iterator[Iterator[Any]]:
    """Open nltk's iterator over all synsets.

    Nltk reads only folders on its search path, so the files are copied to a temporary one.
    """
    try:
        import nltk.data
        from nltk.corpus.reader.wordnet import WordNetCorpusReader, WordNetError
    except ImportError:
        raise SettingsError(
            "the source wordnet needs nltk: pip install 'captionlake[wordnet]'"
        ) from None

    class Reader(WordNetCorpusReader):  # type: ignore[misc]
        def map_wn(self, version: str = "wordnet") -> None:
            """Skip the map to other languages, which needs a second WordNet version."""

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The multilingual functions")
        for file, text in _PLACEHOLDER_FILES.items():
            Path(folder, file).write_text(text)
        for file in FILES:
            Path(folder, file).write_bytes(files[file])
        nltk.data.path.append(folder)
        try:
            yield Reader(folder, None).all_synsets()
        except WordNetError as fault:
            raise ValueError(str(fault)) from None
        finally:
            nltk.data.path.remove(folder)


def noun_lemmatiser(files: Mapping[str, bytes], name: str) -> Lemmatiser:
    """Lemmatiser of nouns, by WordNet's index.noun and its irregular plurals in noun.exc.

    Raises InputDataError if a file is missing or is not one of WordNet 3.0.
    """
    missing = [file for file in ("index.noun", "noun.exc") if file not in files]
    if missing:
        raise InputDataError(f"{name}: is no WordNet folder, it lacks {', '.join(missing)}")
    if _VERSION not in files["index.noun"][:4096]:
        raise InputDataError(f"{name}: index.noun is not of WordNet 3.0")
    index, irregular = (
        files[file].decode("ascii", "replace") for file in ("index.noun", "noun.exc")
    )
    nouns = (line.partition(" ")[0] for line in index.split("\n") if line[:1] not in ("", " "))
    irregular_forms = (line.split() for line in irregular.split("\n"))
    return Lemmatiser(
        frozenset(nouns), {form: lemmas for form, *lemmas in filter(None, irregular_forms)}
    )
