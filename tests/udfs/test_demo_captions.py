"""Captions made of a few concepts."""

from collections import Counter

import pyarrow as pa

from udfs.demo_captions import BATCH_ROWS, CONJUNCTIONS, Concept, make_captions

CONCEPTS = [Concept((f"lemma{k}", f"other{k}"), f"gloss {k}; example") for k in range(4)]


def made(n_rows: int, numbers: list[int]) -> pa.Table:
    make = make_captions(CONCEPTS, ["a {}."], n_rows, 0, names=["url", "caption"])
    return pa.Table.from_batches(make([pa.RecordBatch.from_pydict({"id": numbers})]))


def test_the_last_batch_has_the_rows_that_remain() -> None:
    assert [made(BATCH_ROWS + 7, [k]).num_rows for k in (0, 1)] == [BATCH_ROWS, 7]
    assert (
        made(BATCH_ROWS + 7, [1])["url"][6].as_py() == f"https://example.org/{BATCH_ROWS + 6}.jpg"
    )


def test_captions_are_of_three_kinds_with_their_shares() -> None:
    captions = made(20_000, [0])["caption"].to_pylist()
    kinds = Counter(
        "gloss"
        if ", gloss" in caption
        else "two"
        if any(f"{c}lemma" in caption or f"{c}other" in caption for c in CONJUNCTIONS)
        else "photo"
        for caption in captions
    )
    for kind, share in (("photo", 0.65), ("gloss", 0.2), ("two", 0.15)):
        assert abs(kinds[kind] / 20_000 - share) < 0.02
    assert not any("example" in caption for caption in captions)


def test_concepts_have_shares_of_one_over_their_rank() -> None:
    glosses = [c for c in made(50_000, [0])["caption"].to_pylist() if ", gloss" in c]
    counts = sorted(Counter(caption.rpartition(" ")[2] for caption in glosses).values())
    expected = [len(glosses) / k / (1 + 1 / 2 + 1 / 3 + 1 / 4) for k in (4, 3, 2, 1)]
    for count, wanted in zip(counts, expected, strict=True):
        assert abs(count - wanted) < 5 * wanted**0.5
