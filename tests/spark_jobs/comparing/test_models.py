"""Models of several subsets, compared by means over seeds: against scipy."""

import numpy as np
import pytest
from scipy import stats

from spark_jobs.comparing.models import Evaluation, compare, interval


@pytest.mark.parametrize("n", [2, 3, 11, 12, 30, 200])
def test_intervals_are_students(n: int) -> None:
    values = np.random.default_rng(n).normal(0.4, 0.1, n)
    low, high = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    result = interval(values.tolist())
    assert result.n == n
    assert [result.mean, result.low, result.high] == pytest.approx(
        [values.mean(), low, high], abs=1e-5
    )


def test_of_one_value_there_is_no_interval() -> None:
    assert interval([0.5]) == (0.5, None, None, 1)


def test_differences_are_of_seeds_that_both_have() -> None:
    tail = {"raw": {"0": 0.1, "1": 0.3, "2": 0.9}, "t20": {"0": 0.2, "1": 0.5, "3": 0.0}}
    rows = [
        Evaluation(subset, seed, "zero_shot", "tail", "top1", value)
        for subset, values in tail.items()
        for seed, value in values.items()
    ]
    rows.append(Evaluation("t20", "0", "zero_shot", "all", "top1", 0.7))
    of_raw, of_t20, alone = compare(rows, ["raw", "t20"])
    assert of_raw.difference is None
    assert of_raw.value.mean == pytest.approx(1.3 / 3)
    low, high = stats.ttest_rel([0.2, 0.5], [0.1, 0.3]).confidence_interval(0.95)
    assert of_t20.difference is not None
    assert of_t20.difference[:3] == pytest.approx((0.15, low, high), abs=1e-4)
    assert (alone.subset, alone.set, alone.difference) == ("t20", "all", None)
