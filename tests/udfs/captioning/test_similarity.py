"""BLEU and CIDEr-D against a slow reference, and against pycocoevalcap's published numbers."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.udfs.captioning import reference
from tests.udfs.captioning.packing import packed_and_answers, texts_of, token_rows
from udfs.captioning.ngrams import count_ngrams
from udfs.captioning.packed_ngrams import tokens_of
from udfs.captioning.similarity import Similarity, bleu, compare
from udfs.captioning.tokens import TokenRule
from udfs.captioning.weights import Frequencies

texts = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=7).map(" ".join)
pairs = st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), min_size=1, max_size=6)


def similarity(captions: list[str], references: list[list[str]], rule: TokenRule) -> Similarity:
    """The way of the jobs, with all images in one chunk."""
    rows = texts_of(captions, references)
    packed, answers = packed_and_answers([rows], rule)
    table = Frequencies(answers["ids"].to_pylist(), answers["counts"].to_pylist(), len(captions))
    counted = count_ngrams(tokens_of(token_rows(packed)["tokens"].combine_chunks()))
    ends = np.cumsum([1 + len(texts) for texts in references])
    starts = np.concatenate([[0], ends[:-1]])
    ranges = np.column_stack([starts, ends - 1]).astype(np.int64)
    return compare(counted, table.weights(counted.keys), ends - 1, ranges)


@settings(max_examples=40, deadline=None)
@given(pairs)
def test_scores_are_those_of_counting_dictionaries(rows: list[tuple[str, list[str]]]) -> None:
    scores = similarity([mine for mine, _ in rows], [others for _, others in rows], "none")
    words = [mine.split() for mine, _ in rows]
    others = [[text.split() for text in texts] for _, texts in rows]
    for k, expected in enumerate(map(reference.bleu_counts, words, others)):
        assert (
            scores.matches[k].tolist(), scores.guesses[k].tolist(), scores.reference_length[k]
        ) == expected  # fmt: skip
        values = bleu(scores.matches[k] * 1.0, scores.guesses[k] * 1.0, expected[2] * np.ones(()))
        assert values == pytest.approx(reference.bleu(*expected), rel=1e-9)
    assert scores.cider == pytest.approx(reference.cider(words, others), abs=1e-9)


def expected_corpora(folder: Path) -> list[dict[str, Any]]:
    corpora: list[dict[str, Any]] = json.loads((folder / "expected_corpus.json").read_text())
    return corpora


def test_scores_are_those_of_pycocoevalcap(cases: Path) -> None:
    folder = cases / "caption_metrics"
    pairs = pq.read_table(folder / "input_pairs.parquet").to_pandas()
    expected = pq.read_table(folder / "expected_per_caption.parquet").to_pandas()
    for corpus in expected_corpora(folder):
        rows = pairs[pairs.corpus == corpus["corpus"]].sort_values("image_id")
        of_rows = expected[
            (expected.corpus == corpus["corpus"]) & (expected.tokens == corpus["tokens"])
        ].sort_values("image_id")
        scores = similarity([*rows.hypothesis], [*map(list, rows.references)], corpus["tokens"])
        counts = scores.matches * 1.0, scores.guesses * 1.0, scores.reference_length * 1.0
        names = [f"bleu{n}" for n in range(1, 5)]
        assert bleu(*counts) == pytest.approx(of_rows[names].to_numpy(), abs=1e-12)
        sums = [np.asarray(part.sum(axis=0)) for part in counts]
        assert bleu(*sums) == pytest.approx([corpus[name] for name in names], abs=1e-12)
        assert scores.cider == pytest.approx(of_rows.cider.to_numpy(float), abs=1e-9)
        assert scores.cider.mean() == pytest.approx(corpus["cider"], abs=1e-9)


def test_bleu_4_by_tokens_of_13a_is_sacrebleus_where_each_order_matches(cases: Path) -> None:
    folder = cases / "caption_metrics"
    pairs = pq.read_table(folder / "input_pairs.parquet").to_pandas()
    published = json.loads((folder / "expected_sacrebleu.json").read_text())["corpora"]
    compared = 0
    for corpus in published:
        rows = pairs[pairs.corpus == corpus["corpus"]]
        scores = similarity([*rows.hypothesis], [*map(list, rows.references)], "13a")
        total = [
            np.asarray(part.sum(axis=0) * 1.0)
            for part in (scores.matches, scores.guesses, scores.reference_length)
        ]
        assert total[1][0] == corpus["sys_len"]
        assert total[2] == corpus["ref_len"]
        if total[0].min() == 0:
            continue  # sacrebleu smooths these
        assert 100 * bleu(*total)[3] == pytest.approx(corpus["bleu"], abs=1e-5)
        compared += 1
    assert compared > 3


def test_frequencies_are_of_all_chunks_and_counted_once_an_image() -> None:
    rows = texts_of(["b a", "x", "b a"], [["a a", "a b"], ["c"], ["a c"]], chunks=[0, 0, 1])
    _, answers = packed_and_answers([rows], "none")
    counts = {
        chunk: sorted(
            n
            for row in answers.to_pylist()
            if row["chunk"] == chunk
            for n in np.frombuffer(row["counts"], np.int64)
        )
        for chunk in (0, 1)
    }
    assert counts == {0: [2, 2], 1: [2, 2]}  # a and c, each in two images' references


@pytest.mark.parametrize("size", [1, 3, 7])
def test_images_may_span_batches_and_tables_may_be_full(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    texts = [" ".join(f"w{k}" for k in generator.integers(0, 30, 6)) for _ in range(120)]
    references = [texts[3 * k : 3 * k + k % 3] for k in range(40)]  # some images have none
    rows = texts_of(texts[80:], references, chunks=sorted(k % 4 for k in range(40)))
    frequencies: Counter[tuple[str, ...]] = Counter()
    for others in references:
        frequencies.update({g for text in others for n in range(1, 5) for g in grams(text, n)})
    parts = [rows.slice(start, size) for start in range(0, rows.num_rows, size)]
    for most in (1 << 18, 100):
        monkeypatch.setattr("udfs.captioning.document_frequencies._PACKED_AT_ONCE", most)
        packed, answers = packed_and_answers(parts, "none")
        assert packed["images"].drop_null().to_pylist() == [sum(map(bool, references))]
        # All references are of images with a caption.
        assert token_rows(packed)["is_reference"].to_pylist() == rows["is_reference"].to_pylist()
        assert np.all(np.diff(packed["place"].drop_null().to_numpy()) > 0)
        known: dict[int, int] = {}
        for row in answers.to_pylist():
            ids, counts = (np.frombuffer(row[name], np.int64) for name in ("ids", "counts"))
            known |= dict(zip(ids.tolist(), counts.tolist(), strict=True))
        found = Counter(n for n in frequencies.values() if n >= 2)
        assert Counter(known.values()) == found


def grams(text: str, order: int) -> list[tuple[str, ...]]:
    return [*reference.grams(text.split(), order)]


def test_long_captions_are_sorted_too() -> None:
    words = [f"w{k % 700}" for k in range(3000)]
    scores = similarity([" ".join(words)], [[" ".join(words[::-1])]], "none")
    assert (
        scores.matches[0].tolist(), scores.guesses[0].tolist(), scores.reference_length[0]
    ) == reference.bleu_counts(words, [words[::-1]])  # fmt: skip
