"""Whose classes a subset has: ImageNet's where the column holds wnids of them alone."""

import pytest

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.subset_settings import SubsetSettings
from spark_jobs.jobs.match_frequencies import MatchFrequencies
from spark_jobs.jobs.sample_subset import SampleSubset, _refuse_draw_of_unclear_classes

TENCH, GOLDFISH, HUSKY, OLD_HUSKY = "n01440764", "n01443537", "n02110185", "n02112837"
ALL_TYPES = (
    SampleSubset(input="/in", output="/out", fraction=0.5),
    MatchFrequencies(sources=["/in"], output="/out", shape="flat"),
)


@pytest.mark.parametrize("settings", ALL_TYPES, ids=lambda settings: type(settings).__name__)
@pytest.mark.parametrize(
    ("said", "column_classes", "class_names"),
    [
        (None, [TENCH, OLD_HUSKY], "imagenet1k"),
        (None, [TENCH, "n00000001"], "column"),
        (None, [0, 1], "column"),  # numbers may be anything
        ("column", [TENCH], "column"),
        ("imagenet1k", [0, 1], "imagenet1k"),
    ],
)
def test_both_jobs_have_one_rule(
    settings: SubsetSettings, said: str | None, column_classes: list, class_names: str
) -> None:
    asked = settings.model_copy(update={"class_names": said})
    assert asked.with_class_names(column_classes).class_names == class_names


def test_the_old_husky_counts_as_the_current_one() -> None:
    counts = {OLD_HUSKY: 2, TENCH: 1, HUSKY: 3}
    settings = ALL_TYPES[0].with_class_names(counts)
    assert list(settings.current_counts(counts).items()) == [(TENCH, 1), (HUSKY, 5)]
    assert settings.current_counts({OLD_HUSKY: 2}) == {HUSKY: 2}
    assert settings.current_counts({7: 2, 0: 1}) == {0: 1, 7: 2}
    as_they_are = settings.model_copy(update={"class_names": "column"})
    assert as_they_are.current_counts(counts) == counts


@pytest.mark.parametrize(
    ("said", "n_with_rows", "is_refused"),
    [
        ({"random_classes": 10}, 100, True),
        ({"tail_classes": 10}, 999, True),
        ({"tail_classes": 10}, 1_000, False),
        ({"fraction": 0.5}, 100, False),
    ],
)
def test_a_draw_of_classes_that_may_have_no_row_asks(
    said: dict, n_with_rows: int, is_refused: bool
) -> None:
    settings = SampleSubset(input="/in", output="/out", **said).with_class_names([TENCH])
    if is_refused:
        message = f"{next(iter(said))}: column 'wnid' holds {n_with_rows} of ImageNet's 1,000 cl"
        with pytest.raises(InputDataError, match=message):
            _refuse_draw_of_unclear_classes(settings, n_with_rows=n_with_rows)
    else:
        _refuse_draw_of_unclear_classes(settings, n_with_rows=n_with_rows)
    of_column = settings.model_copy(update={"class_names": "column"})
    _refuse_draw_of_unclear_classes(of_column, n_with_rows=n_with_rows)
