"""Captions that match nothing: how many would if case were ignored."""

import pyarrow as pa
import pytest

from spark_jobs.matching.ignoring_case import (
    CaseSample,
    case_lines,
    has_many_unmatched,
    match_ignoring_case,
)
from udfs.text.matchers import ConceptMatcher, MetaclipMatcher, metaclip2_matcher
from udfs.text.token_trie import build_token_trie

CAPTIONS = pa.array(["a cat", "My CAT, asleep", "A Great Dane", "a newt", "", "DANE great"])
ENTRIES = pa.array(["cat", "great Dane", "Great dane"])


def metaclip(entries: pa.Array) -> ConceptMatcher:
    return MetaclipMatcher(build_token_trie(entries))


def test_captions_without_a_match_are_matched_in_lower_case() -> None:
    sample = match_ignoring_case([CAPTIONS], metaclip(ENTRIES), ENTRIES, metaclip)
    assert (sample.n_rows, sample.n_unmatched) == (6, 5)
    assert sample.with_case_ignored == [("My CAT, asleep", "cat"), ("A Great Dane", "great Dane")]


def test_a_caption_is_matched_in_its_own_language() -> None:
    def metaclip2(entries: pa.Array) -> ConceptMatcher:
        return metaclip2_matcher(entries.to_pylist(), ["en", "de", "de"])

    columns = [CAPTIONS, pa.array(["en", "de", "de", "de", "de", None])]
    sample = match_ignoring_case(columns, metaclip2(ENTRIES), ENTRIES, metaclip2)
    assert sample.with_case_ignored == [("A Great Dane", "great Dane")]


def test_no_caption_and_none_unmatched() -> None:
    for captions in ([], ["a cat"]):
        columns = [pa.array(captions, pa.string())]
        sample = match_ignoring_case(columns, metaclip(ENTRIES), ENTRIES, metaclip)
        assert sample == CaseSample(len(captions), 0, [])


@pytest.mark.parametrize(("unmatched", "is_many"), [(0, False), (10, False), (11, True)])
def test_more_than_a_tenth_is_many(unmatched: int, is_many: bool) -> None:
    assert has_many_unmatched(rows=100, unmatched=unmatched) is is_many


def test_the_lines_speak_of_the_sample_as_a_sample() -> None:
    sample = CaseSample(1_000, 600, [("A CAT " * 20, "cat")] * 4)
    first, second = case_lines(sample, rows=9_000, unmatched=5_000)
    assert first.startswith("5,000 of 9,000 captions match no entry. Of the first 1,000, 600 match")
    assert first.endswith("ignoring case, 4 of these would")
    assert second.count(" by 'cat'") == 3
    assert len(second) < 400
    (alone,) = case_lines(CaseSample(1_000, 600, []), rows=9_000, unmatched=5_000)
    assert alone.endswith("ignoring case, none of these would")
    (short,) = case_lines(CaseSample(9, 0, []), rows=99, unmatched=50)
    assert short == "50 of 99 captions match no entry"
