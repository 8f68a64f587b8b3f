"""Accuracies of parts by frequency, and correlations as scipy has them."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from udfs.clip_evaluation.by_class import ClassResult, evaluate, parts_of


def results(seed: int, n_classes: int) -> list[ClassResult]:
    draws = np.random.default_rng(seed)
    made = []
    for number in range(n_classes):
        images = int(draws.integers(0, 9))
        top1 = int(draws.integers(0, images + 1))
        top5 = int(draws.integers(top1, images + 1))
        frequency = int(draws.integers(0, 3) * 10 ** draws.integers(0, 4))
        predicted = int(draws.integers(0, 20))
        name = "abc"[number % 3]  # names may repeat
        made.append(ClassResult(f"c{number:02}", name, images, top1, top5, predicted, frequency))
    return made


@pytest.mark.parametrize("seed", range(12))
def test_against_an_obvious_reference_and_scipy(seed: int) -> None:
    made = results(seed, 4 + 5 * seed)
    values = {(v.task, v.set, v.measure): (v.value, v.n) for v in evaluate(made)}
    assert len(values) == 4 * 3 + 3
    seen = sorted((r for r in made if r.images), key=lambda r: (-r.frequency, r.name, r.value))
    n, extra = divmod(len(seen), 3)
    ends = np.cumsum([n + (extra > k) for k in range(3)])
    sets = {"all": made, **dict(zip(("head", "middle", "tail"), (
        seen[: ends[0]], seen[ends[0] : ends[1]], seen[ends[1] :]), strict=True))}  # fmt: skip
    for name, members in sets.items():
        images = sum(r.images for r in members)
        top1 = sum(r.top1 for r in members)
        assert values["zero_shot", name, "top1"] == (top1 / images if images else None, images)
        top5 = sum(r.top5 for r in members)
        assert values["zero_shot", name, "top5"] == (top5 / images if images else None, images)
        shares = [r.top1 / r.images for r in members if r.images]
        mean, n_classes = values["zero_shot", name, "mean_class_top1"]
        assert n_classes == len(shares)
        assert mean == pytest.approx(np.mean(shares)) if shares else mean is None
    accuracy = [r.top1 / r.images for r in seen]
    frequency = [r.frequency for r in seen]
    for measure, expected in (
        ("spearman", spearmanr(accuracy, frequency).statistic),
        ("pearson_log", pearsonr(accuracy, np.log10(np.array(frequency) + 1)).statistic),
        ("predicted_spearman", spearmanr([r.predicted for r in seen], frequency).statistic),
    ):
        assert values["frequency", "all", measure] == (pytest.approx(expected), len(seen))


def test_what_is_undefined_is_null() -> None:
    equal = [ClassResult(name, name, 2, 1, 2, 2, 7) for name in "abcd"]
    of_frequency = [v for v in evaluate(equal) if v.task == "frequency"]
    assert [v.value for v in of_frequency] == [None, None, None]
    assert parts_of(equal) == {"a": "head", "b": "head", "c": "middle", "d": "tail"}
    none = [ClassResult("a", "a", 0, 0, 0, 0, 5)]
    assert {v.value for v in evaluate(none)} == {None}
    one = evaluate([ClassResult("a", "a", 2, 1, 2, 3, 5)])
    assert {(v.set, v.value) for v in one if v.measure == "top1"} == {
        ("all", 0.5), ("head", 0.5), ("middle", None), ("tail", None)
    }  # fmt: skip


def test_without_frequencies_there_are_no_parts() -> None:
    values = evaluate([ClassResult("a", "a", 2, 1, 2, 3)])
    assert {(v.task, v.set) for v in values} == {("zero_shot", "all")}
