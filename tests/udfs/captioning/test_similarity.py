"""BLEU and CIDEr-D against a slow reference, and against pycocoevalcap's published numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.udfs.captioning import reference
from udfs.captioning.document_frequencies import answered, packed_requests, table_of
from udfs.captioning.ngrams import count_ngrams
from udfs.captioning.similarity import Similarity, bleu, compare
from udfs.captioning.tokens import Tokeniser, TokenRule
from udfs.captioning.weights import inverse_frequencies

texts = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=7).map(" ".join)
pairs = st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), min_size=1, max_size=6)


def similarity(captions: list[str], references: list[list[str]], rule: TokenRule) -> Similarity:
    """The way of the jobs, with all images in one chunk."""
    images = pa.array(references, pa.list_(pa.string()))
    mine = pa.array([[caption] for caption in captions], pa.list_(pa.string()))
    requests = [
        batch
        for texts, are_references in ((images, True), (mine, False))
        for batch in packed_requests(rule, are_references=are_references)(
            [pa.record_batch([pa.array([0] * len(texts), pa.int32()), texts], ["chunk", "texts"])]
        )
    ]
    by_part = pa.Table.from_batches(requests).sort_by("part").to_batches()
    answers = [row for batch in answered(by_part) for row in batch.to_pylist()]
    table = table_of([row["ids"] for row in answers], [row["counts"] for row in answers])
    tokeniser = Tokeniser(rule)
    counted = [
        count_ngrams(tokeniser.tokens(array))
        for array in (pa.array(captions, pa.string()), images.flatten())
    ]
    weights = [inverse_frequencies(n.keys, table, len(captions)) for n in counted]
    return compare(*counted, np.asarray(images.offsets).astype(np.int64), *weights)


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
    chunks = pa.array([0, 0, 1], pa.int32())
    texts = pa.array([["a a", "a b"], ["c"], ["a c"]])
    batch = pa.record_batch([chunks, texts], ["chunk", "texts"])
    requests = list(packed_requests("none", are_references=True)([batch]))
    more = pa.record_batch([pa.array([1], pa.int32()), pa.array([["b a"]])], ["chunk", "texts"])
    requests += packed_requests("none", are_references=False)([more])
    by_part = pa.Table.from_batches(requests).sort_by("part").to_batches()
    rows = [row for batch in answered(by_part) for row in batch.to_pylist()]
    counts = {
        chunk: sorted(
            n
            for row in rows
            if row["chunk"] == chunk
            for n in np.frombuffer(row["counts"], np.int64)
        )
        for chunk in (0, 1)
    }
    assert counts == {0: [2, 2], 1: [2, 2]}  # a and c, each in two images' references


def test_long_captions_are_sorted_too() -> None:
    words = [f"w{k % 700}" for k in range(3000)]
    scores = similarity([" ".join(words)], [[" ".join(words[::-1])]], "none")
    assert (
        scores.matches[0].tolist(), scores.guesses[0].tolist(), scores.reference_length[0]
    ) == reference.bleu_counts(words, [words[::-1]])  # fmt: skip
