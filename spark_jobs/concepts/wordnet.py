"""WordNet's synsets from its database files, read by nltk."""

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
# What nltk opens beside them, but synsets do without: Debian's wordnet-base has no lexnames.
_UNUSED = {"lexnames": "".join(f"{i:02} file{i:02} 0\n" for i in range(45))} | {
    f"{part}.exc": "" for part in _PARTS
}


def wordnet_synsets(files: Mapping[str, bytes], name: str) -> list[Synset]:
    """Every synset of WordNet 3.0, in nltk's order: nouns, adjectives, adverbs, verbs.

    `files`: name -> content of the database files. The wnid is the part of speech and the offset
    in eight digits, as in ImageNet; `lemmas` have spaces in place of underscores. Raises
    InputDataError where a file is missing or is none of WordNet's.
    """
    absent = [file for file in FILES if file not in files]
    if absent:
        raise InputDataError(f"{name}: is no WordNet folder, it lacks {', '.join(absent)}")
    for file in FILES:
        if _VERSION not in files[file][:4096]:
            raise InputDataError(f"{name}: {file} is not of WordNet 3.0, whose ids are ImageNet's")
    try:
        with _reader(files) as synsets:
            return [
                Synset(
                    wnid=f"{synset.pos()}{synset.offset():08}",
                    lemmas=tuple(lemma.replace("_", " ") for lemma in synset.lemma_names()),
                    gloss=synset.definition(),
                    class_idx=None,
                    name=_name(synset.name()),
                )
                for synset in synsets
            ]
    except (ValueError, KeyError, IndexError, AssertionError, UnicodeDecodeError) as fault:
        raise InputDataError(f"{name}: cannot be read as WordNet ({fault})") from None


def _name(synset_name: str) -> str:
    """MetaCLIP's entry for `dog.n.01`: what stands before the first dot, with spaces."""
    return synset_name.partition(".")[0].replace("_", " ")


@contextmanager
def _reader(files: Mapping[str, bytes]) -> Iterator[Iterator[Any]]:
    """Nltk reads only folders on its own search path, so the files go into such a one."""
    try:
        import nltk.data
        from nltk.corpus.reader.wordnet import WordNetCorpusReader, WordNetError
    except ImportError:
        raise SettingsError(
            "the source wordnet needs nltk: pip install 'captionlake[wordnet]'"
        ) from None

    class Reader(WordNetCorpusReader):  # type: ignore[misc]
        def map_wn(self, version: str = "wordnet") -> None:
            """Without the map to other languages, which needs a second WordNet."""

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The multilingual functions")
        for file, text in _UNUSED.items():
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
    """WordNet's nouns and irregular plurals, from index.noun and noun.exc.

    Raises InputDataError where a file is missing or is none of WordNet's.
    """
    absent = [file for file in ("index.noun", "noun.exc") if file not in files]
    if absent:
        raise InputDataError(f"{name}: is no WordNet folder, it lacks {', '.join(absent)}")
    if _VERSION not in files["index.noun"][:4096]:
        raise InputDataError(f"{name}: index.noun is not of WordNet 3.0")
    index, irregular = (
        files[file].decode("ascii", "replace") for file in ("index.noun", "noun.exc")
    )
    nouns = (line.partition(" ")[0] for line in index.split("\n") if line[:1] not in ("", " "))
    forms = (line.split() for line in irregular.split("\n"))
    return Lemmatiser(frozenset(nouns), {form: known for form, *known in filter(None, forms)})
