"""How the work of measure-captions is divided, by numbers of captions, sets and replicates."""

from spark_jobs.captioning.measure_ngrams import chunks_of
from spark_jobs.captioning.measure_similarity import Scoring, sums_are_apart
from spark_jobs.captioning.measured_captions import CaptionSet


def test_chunks_are_of_as_many_texts_whatever_few_references_there_are() -> None:
    assert [chunks_of(n) for n in (0, 50_000, 50_001, 10_000_000)] == [1, 1, 2, 200]


def test_sums_of_many_groups_are_made_after_a_shuffle() -> None:
    """200 replicates of 5,000 groups would be 110 MB in each task."""
    scoring = Scoring(10, 200, image_cosines=False, text_cosines=False)
    sets = [CaptionSet(0, "raw", None, 1, 1, (1,))]
    groups = [CaptionSet(k, "raw", f"{k}", 1, 1, (1,)) for k in range(1, 5001)]
    assert not sums_are_apart(scoring, [*sets, *groups[:1000]])
    assert sums_are_apart(scoring, [*sets, *groups])
