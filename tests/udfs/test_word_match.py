"""Words as WordNet's nouns, against nltk where that is read from WordNet's own files."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.concepts.wordnet import noun_lemmatiser
from udfs.text.word_match import Lemmatiser, word_matcher, words_of

WORDNET = Path("/usr/share/wordnet")
CONTRACTIONS = {"cannot", "gimme", "gonna", "gotta", "lemme", "wanna"}


@pytest.fixture(scope="module")
def lemmatiser() -> Lemmatiser:
    if not (WORDNET / "noun.exc").is_file():
        pytest.skip("WordNet 3.0 is not in /usr/share/wordnet (Debian: wordnet-base)")
    files = {name: (WORDNET / name).read_bytes() for name in ("index.noun", "noun.exc")}
    return noun_lemmatiser(files, "wordnet")


def test_lemmas_are_the_published_ones(lemmatiser: Lemmatiser, cases: Path) -> None:
    rows = pq.read_table(cases / "concept_freq/expected_lemmatiser.parquet").to_pylist()
    assert {r["word"]: lemmatiser.lemma(r["word"]) for r in rows} == {
        r["word"]: r["lemma"] for r in rows
    }


def test_words_are_the_published_ones(lemmatiser: Lemmatiser, cases: Path) -> None:
    captions = pq.read_table(cases / "concept_freq/input_captions.parquet").to_pylist()
    words = pq.read_table(cases / "concept_freq/expected_tokens.parquet").to_pylist()
    found = {r["caption_id"]: sorted(words_of(r["caption"] or "", lemmatiser)) for r in captions}
    assert found == {row["caption_id"]: sorted(row["lemmas"]) for row in words}


def test_ten_thousand_captions_have_the_words_of_the_plain_definition(
    lemmatiser: Lemmatiser,
) -> None:
    """Lower case, letters alone, contractions apart, each word's lemma by trying the rules."""
    draws = np.random.default_rng(0)
    stems = draws.choice(sorted(n for n in lemmatiser.nouns if n.isalpha()), 400).tolist()
    stems += ["man", "wolf", "box", "church", "city", "bus", "glass", "goose", "was", *CONTRACTIONS]
    odd = ["\u212aing", "İbis", "Ωs", "d'or", "f-16", "don't", "geese", "IBEXES", "mén", "\x00"]
    endings = ["", "", "s", "es", "ses", "ves", "ies", "men", "ches", "ss", "'s", "1"]
    captions: list[str | None] = []
    for size in draws.integers(0, 8, 10_000):
        words = [f"{draws.choice(stems)}{draws.choice(endings)}" for _ in range(size)]
        words += [str(draws.choice(odd))] if size % 3 else []
        text = str(draws.choice([" ", ", ", "\n", "-"])).join(words)
        captions.append(text.upper() if size == 5 else text)
    captions[::50] = [None] * 200
    wanted = sorted({lemmatiser.lemma(stem) for stem in stems} | {"can", "not", "gon", "ibis", "i"})
    found = word_matcher(wanted, lemmatiser).match(pa.array(captions)).to_pylist()

    def plain(text: str) -> set[str]:
        parts = re.sub("[^a-z ]", " ", text.lower()).split()
        apart = {"cannot": "can not", "gimme": "gim me", "gonna": "gon na"}
        apart |= {"gotta": "got ta", "lemme": "lem me", "wanna": "wan na"}
        words = [word for part in parts for word in apart.get(part, part).split()]
        return {lemmatiser.lemma(word) for word in words}

    expected = [sorted(plain(text) & set(wanted)) if text else [] for text in captions]
    assert [sorted({wanted[i] for i in ids}) for ids in found] == expected
    assert sum(map(len, expected)) > 15_000


def test_forms_are_all_words_of_a_lemma(lemmatiser: Lemmatiser) -> None:
    assert lemmatiser.forms("goose") == ["geese", "goose", "gooses"]
    assert "boxes" in lemmatiser.forms("box")
    assert lemmatiser.forms("wolf") == sorted({"wolf", "wolfs", "wolves"})
    every = [f"{stem}{e}" for stem in ("man", "city", "glass") for e in ("", "s", "es", "ses")]
    every += ["men", "cities", "mans", "menses"]
    for lemma in ("man", "city", "glass"):
        assert {w for w in every if lemmatiser.lemma(w) == lemma} <= {*lemmatiser.forms(lemma)}
