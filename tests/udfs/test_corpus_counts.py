"""Words and bigrams of a corpus, against a plain count and the published ones."""

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs.task_errors import TaskInputError
from udfs.text.bigram_counts import PairTable, count_pairs, hash_set
from udfs.text.bigram_scores import (
    join_first,
    pack_words,
    pointwise_mutual_information,
    score_pairs,
)
from udfs.text.corpus_tokens import language_seed, without_tags
from udfs.text.language_tables import LanguageTables
from udfs.text.metaclip2_match import PUNCTUATION, needs_no_padding
from udfs.text.token_trie import padded_text
from udfs.text.word_counts import WordTable, count_words

TAG = re.compile(r"(&lt;.*?&gt;|<.*?>)")
PIECES = [
    "<",
    ">",
    "&lt;",
    "&gt;",
    "&",
    "lt;",
    "\n",
    " ",
    "a",
    "b",
    "dog",
    "'",
    "猫",
    "é",
    "\u3000",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)
NONE = np.zeros(0, np.uint64)


def tokens(text: str) -> list[str]:
    """Slow and obvious: one character after the other."""
    found: list[str] = []
    word = ""
    for character in TAG.sub("", text):
        is_alone = bool(needs_no_padding()[ord(character)])
        if (character.isspace() or is_alone) and word:
            found.append(word)
            word = ""
        if is_alone:
            found.append(character)
        elif not character.isspace():
            word += character
    return [*found, word] if word else found


def expected_counts(texts: Iterable[tuple[str, str]]) -> tuple[Counter, Counter]:
    """Counts of (lang, word) and of (lang, first, second)."""
    words: Counter = Counter()
    pairs: Counter = Counter()
    for lang, text in texts:
        found = tokens(text)
        words.update((lang, token) for token in found if token not in PUNCTUATION)
        pairs.update(
            (lang, first, second)
            for first, second in pairwise(found)
            if first not in PUNCTUATION and second not in PUNCTUATION
        )
    return words, pairs


def batch(texts: Iterable[tuple[str, str]]) -> pa.RecordBatch:
    langs, strings = zip(*texts, strict=True)
    return pa.RecordBatch.from_arrays([pa.array(langs), pa.array(strings)], ["lang", "text"])


def word_rows(texts: list[tuple[str, str]]) -> list[dict]:
    rows = [row for part in count_words([batch(texts)], seed=0) for row in part.to_pylist()]
    return [row for row in rows if row["word"] is not None]


def shuffled(parts: Iterable[pa.RecordBatch], size: int = 5) -> Iterator[pa.RecordBatch]:
    """The rows as a task gets them: by part, in batches that cut parts anywhere."""
    yield from pa.Table.from_batches(list(parts)).sort_by("part").to_batches(max_chunksize=size)


def scored(texts: list[tuple[str, str]], left_out: np.ndarray = NONE, **limits) -> dict:
    """(lang, first, second) -> (count, pmi), over two tasks of half the texts each."""
    rows = word_rows(texts)
    totals: Counter = Counter()
    for row in rows:
        totals[row["lang"]] += row["count"]
    of_hash = {row["word_hash"]: (row["lang"], row["word"]) for row in rows}
    columns = [[row["word_hash"] for row in rows], [row["count"] for row in rows]]
    columns.append([totals[row["lang"]] for row in rows])
    words = pa.RecordBatch.from_arrays([pa.array(c, pa.int64()) for c in columns], list("abc"))
    packed_words = list(pack_words([words]))
    halves = [half for half in (texts[::2], texts[1::2]) if half]
    pairs = [p for half in halves for p in count_pairs([batch(half)], seed=0, left_out=left_out)]
    joined = list(join_first(shuffled([*pairs, *packed_words])))
    parts = score_pairs(shuffled([*joined, *packed_words]), **limits) if joined else []
    return {
        (*of_hash[row["first_hash"]], of_hash[row["second_hash"]][1]): (row["count"], row["pmi"])
        for part in parts
        for row in part.to_pylist()
    }


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_tags_are_removed_as_by_the_regular_expression(texts: list[str]) -> None:
    offsets, text = without_tags(padded_text(pa.array(texts)))
    kept = [bytes(text[offsets[k] : offsets[k + 1]]).decode() for k in range(len(texts))]
    assert kept == [TAG.sub("", text) for text in texts]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["en", "zh"]), TEXTS), min_size=1, max_size=8))
def test_words_and_bigrams_are_those_of_a_plain_count(texts: list[tuple[str, str]]) -> None:
    words, pairs = expected_counts(texts)
    rows = word_rows(texts)
    assert {(row["lang"], row["word"]): row["count"] for row in rows} == words
    assert len(rows) == len(words) == len({row["word_hash"] for row in rows})
    totals: Counter = Counter()
    for (lang, _), n in words.items():
        totals[lang] += n
    found = scored(texts, min_pmi=-math.inf)
    assert {pair: count for pair, (count, _) in found.items()} == pairs
    for (lang, first, second), (count, pmi) in found.items():
        product = words[lang, first] * words[lang, second]
        assert abs(pmi - (math.log2(count * totals[lang]) - math.log2(product))) < 1e-9


def test_texts_are_counted_by_language() -> None:
    texts = [("en", ""), ("en", "a dog"), ("de", "!")]
    rows = [row for part in count_words([batch(texts)], seed=0) for row in part.to_pylist()]
    assert {row["lang"]: row["count"] for row in rows if row["word"] is None} == {"en": 2, "de": 1}


def test_a_bigram_at_the_threshold_is_kept_unless_strict() -> None:
    texts = [("en", "a b")] * 1 + [("en", "c"), ("en", "d")]  # 4 words: log2(1 * 4) - log2(1) = 2
    assert scored(texts, min_pmi=2.0) == {("en", "a", "b"): (1, 2.0)}
    assert scored(texts, min_pmi=2.0, strict=True) == {}
    assert scored(texts, min_pmi=1.0, min_count=2) == {}


def published_pmi(n_12: int, n_1: int, n_2: int, n: int) -> float:
    return math.log2(n_12 * n) - math.log2(n_1 * n_2)


def test_the_threshold_is_compared_with_the_published_formula() -> None:
    draw = random.Random(0)
    differs = 0
    for _ in range(2_000):
        n_12 = draw.randint(1, 1_000)
        counts = (n_12, draw.randint(n_12, 10**6), draw.randint(n_12, 10**6),
                  draw.randint(10**6, 10**11))  # fmt: skip
        columns = [np.array([count]) for count in counts]
        expected = published_pmi(*counts)
        found = pointwise_mutual_information(*columns, threshold=expected)
        assert found[0] == expected
        differs += pointwise_mutual_information(*columns, threshold=-99)[0] != expected
    # Or numpy's logarithm would do, as that of numpy 2 does.
    assert differs or np.lib.NumpyVersion(np.__version__) >= "2.0.0"


def test_all_bigrams_have_the_score_that_decides_about_them() -> None:
    # "a b" once in 56 words, a once, b 7 times: 3 bits, but the published formula gives a hair less
    texts = [("en", "a b"), *[("en", "b")] * 6, *[("en", "c")] * 48]
    assert scored(texts, min_pmi=3.0) == {}
    kept = scored(texts, min_pmi=3.0, keep_all=True)
    assert kept == {("en", "a", "b"): (1, published_pmi(1, 1, 7, 56))}
    assert kept["en", "a", "b"][1] < 3
    (at,) = kept.values()
    assert scored(texts, min_pmi=at[1]) == kept


def test_a_word_that_was_not_counted_ends_the_run() -> None:
    rows = word_rows([("en", "b c d e f g")])
    hashes = pa.array([row["word_hash"] for row in rows])
    ones = pa.array([1] * len(rows))
    words = list(pack_words([pa.RecordBatch.from_arrays([hashes, ones, ones], list("abc"))]))
    for text in ("a b", "c a", "x y"):
        pairs = list(count_pairs([batch([("en", text)])], seed=0, left_out=NONE))
        with pytest.raises(TaskInputError, match="the texts changed while they were read"):
            list(score_pairs(shuffled([*join_first(shuffled([*pairs, *words])), *words]),
                             min_pmi=-math.inf))  # fmt: skip


def test_tables_of_many_languages_share_one_limit() -> None:
    made: list[WordTable] = []

    def make(lang: str) -> WordTable:
        made.append(WordTable(language_seed(lang, 0)))
        return made[-1]

    size = WordTable(0).n_bytes
    tables = LanguageTables(make, most_bytes=3 * size)
    for lang in "abcde":
        list(tables.of(lang).add(padded_text(pa.array([f"{lang} b"]))))
    text = " ".join(f"w{k}" for k in range(5_000))
    list(tables.of("d").add(padded_text(pa.array([text]))))
    taken = [lang for lang, _ in tables.take_largest()]
    assert taken[0] == "d"
    assert len(taken) == 2
    assert sorted([*taken, *(lang for lang, _ in tables.take_all())]) == list("abcde")


def test_more_than_a_thousand_languages_end_the_run() -> None:
    texts = batch([(f"http://{k}", "a b") for k in range(1_001)])
    for count in (partial(count_words, seed=0), partial(count_pairs, seed=0, left_out=NONE)):
        with pytest.raises(TaskInputError, match="more than 1,000 languages, such as 'http"):
            list(count([texts]))


def test_bigrams_of_words_left_out_are_not_counted() -> None:
    texts = [("en", "the dog sees the cat sees")]
    hashes = {row["word"]: row["word_hash"] for row in word_rows(texts)}
    left_out = np.array([hashes["the"]], np.int64).view(np.uint64)
    found = scored(texts, left_out, min_pmi=-math.inf)
    assert {pair[1:] for pair in found} == {("dog", "sees"), ("cat", "sees")}


def test_full_tables_are_passed_on_and_emptied() -> None:
    texts = [" ".join(f"w{(7 * k + j) % 90}" for j in range(9)) for k in range(120)]
    words, pairs = expected_counts(("en", text) for text in texts)
    padded = padded_text(pa.array(texts))
    seed = language_seed("en", 0)
    table, pair_table = (
        WordTable(seed, most_words=64),
        PairTable(seed, hash_set(NONE), most_pairs=64),
    )
    parts = [*table.add(padded), *table.flush()]
    assert len(parts) > 2
    found: Counter = Counter()
    for row in (row for part in parts for row in part.to_pylist()):
        found[row["word"]] += row["count"]
    assert found == Counter({word: n for (_, word), n in words.items()})
    pair_parts = [*pair_table.add(padded), *pair_table.flush()]
    assert len(pair_parts) > 2
    assert sum(int(counts.sum()) for _, _, counts in pair_parts) == sum(pairs.values())


def test_a_text_longer_than_the_table_is_counted_whole() -> None:
    text = " ".join(f"w{k}" for k in range(3000)) + " long" + "g" * 5000
    table = WordTable(0, most_words=64)
    padded = padded_text(pa.array(["a b", text, "a b"]))
    rows = [row for part in [*table.add(padded), *table.flush()] for row in part.to_pylist()]
    counts: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        counts[row["word"]] += row["count"]
    assert len(counts) == 3003
    assert counts["a"] == 2
    assert counts["long" + "g" * 5000] == 1


def test_words_that_share_a_hash_stay_apart() -> None:
    table = WordTable(0, hash_bits=3)
    padded = padded_text(pa.array([" ".join(f"w{k}" for k in range(50))] * 2))
    rows = [row for part in [*table.add(padded), *table.flush()] for row in part.to_pylist()]
    assert {row["word"]: row["count"] for row in rows} == {f"w{k}": 2 for k in range(50)}
    assert len({row["word_hash"] for row in rows}) <= 8


def test_counts_of_metaclip2_are_the_published_ones(cases: Path) -> None:
    folder = cases / "concept_bank_text"
    texts = pq.read_table(folder / "v2_input_texts.parquet")
    published = pq.read_table(folder / "v2_expected_tokens.parquet")["tokens"].to_pylist()
    assert [tokens(text) for text in texts["text"].to_pylist()] == published
    pairs = list(zip(texts["lang"].to_pylist(), texts["text"].to_pylist(), strict=True))
    ngrams = pq.read_table(folder / "v2_expected_ngrams.parquet").to_pylist()
    of_kind = {kind: [row for row in ngrams if row["kind"] == kind] for kind in
               ("unigram", "bigram")}  # fmt: skip
    words = {(row["lang"], row["word"]): row["count"] for row in word_rows(pairs)}
    assert words == {(row["lang"], row["ngram"]): row["count"] for row in of_kind["unigram"]}
    found = scored(pairs, min_pmi=-math.inf)
    assert len(found) == len(of_kind["bigram"])
    for row in of_kind["bigram"]:
        count, pmi = found[(row["lang"], *row["ngram"].split(" "))]
        assert count == row["count"]
        assert abs(pmi - row["pmi"]) < 1e-9
