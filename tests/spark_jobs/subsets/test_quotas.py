"""Rows per class, against obvious ways to find them, on made-up counts."""

import random
from fractions import Fraction

import pytest

from spark_jobs.subsets.quotas import (
    apportion,
    capped,
    rarest,
    share_of_each,
    stratified,
    with_short_tail,
    without_surplus,
)
from spark_jobs.subsets.shapes import as_large_as_possible, at_n_rows, shape_weights


def made_up(draws: random.Random) -> dict[str, int]:
    most = draws.choice([2, 10, 1_000])
    counts = {f"c{k}": draws.randint(0, most) for k in range(draws.randint(1, 12))}
    return counts


CASES = [made_up(random.Random(seed)) for seed in range(2_000)]


def test_one_off_the_largest_again_and_again() -> None:
    draws = random.Random(0)
    for counts in CASES:
        spare = sum(max(count - 1, 0) for count in counts.values())
        surplus = draws.randint(0, min(spare, 60))
        expected = dict(counts)
        for _ in range(surplus):
            largest = max(expected.values())
            first = next(key for key in expected if expected[key] == largest)
            expected[first] -= 1
        assert without_surplus(counts, surplus) == expected
        with pytest.raises(ValueError, match="one row left"):
            without_surplus(counts, spare + 1)


def test_largest_remainder() -> None:
    draws = random.Random(1)
    for counts in CASES:
        n = draws.randint(0, 500)
        shares = apportion(n, counts)
        total = sum(counts.values())
        assert list(shares) == list(counts)
        assert sum(shares.values()) == (n if total else 0)
        for key, share in shares.items():
            assert abs(share - (n * counts[key] / total if total else 0)) < 1
    assert apportion(2, {"a": 1, "b": 1, "c": 1}) == {"a": 1, "b": 1, "c": 0}
    assert apportion(10, {"a": 0.1, "b": 0.2, "c": 0.7}) == {"a": 1, "b": 2, "c": 7}


def test_a_share_of_each_goes_to_the_nearest_row_and_halves_to_even() -> None:
    counts = {"61": 61, "88": 88, "5": 5, "15": 15, "25": 25, "35": 35, "none": 0}
    assert list(share_of_each(counts, 0.1).values()) == [6, 9, 0, 2, 2, 4, 0]
    for counts in CASES:
        for fraction in (Fraction(1, 2), Fraction(1, 8), Fraction(3, 4), Fraction(1)):
            expected = {key: round(count * fraction) for key, count in counts.items()}
            assert share_of_each(counts, float(fraction)) == expected


def test_strata_keep_a_row_and_take_no_more_than_there_are() -> None:
    draws = random.Random(2)
    for counts in CASES:
        n_classes = sum(count > 0 for count in counts.values())
        n = draws.randint(n_classes, max(sum(counts.values()), n_classes))
        shares = stratified(counts, n, least=1)
        assert sum(shares.values()) == n
        assert all(min(1, counts[key]) <= shares[key] <= counts[key] for key in counts)
        if n < sum(counts.values()):
            assert stratified(counts, n, least=0) == apportion(n, counts)
    with pytest.raises(ValueError, match="1 is not between 2 and 5"):
        stratified({"a": 2, "b": 3}, 1, least=1)


def test_tails_and_caps() -> None:
    for counts in CASES[:500]:
        for classes in (0, 1, 3, 50):
            tail = rarest(counts, classes)
            assert len(tail) == min(classes, len(counts))
            rest = [count for key, count in counts.items() if key not in tail]
            assert not tail or not rest or max(counts[key] for key in tail) <= min(rest)
            cut = with_short_tail(counts, classes, 2)
            assert all(cut[k] == (min(counts[k], 2) if k in tail else counts[k]) for k in counts)
        assert capped(counts, 3) == {key: min(count, 3) for key, count in counts.items()}
    assert rarest({"a": 1, "b": 0, "c": 0, "d": 1}, 3) == {"a", "b", "c"}


def test_shapes() -> None:
    available = {"a": 5, "b": 100, "none": 0, "c": 5, "d": 20}
    assert shape_weights("flat", available, 1.0) == {"a": 1, "b": 1, "c": 1, "d": 1}
    zipf = shape_weights("zipf", available, 1.0)
    assert zipf == pytest.approx({"a": 1 / 3, "b": 1, "c": 1 / 4, "d": 1 / 2})
    exponential = shape_weights("exponential", available, 3.0)
    assert exponential["b"] / exponential["c"] == pytest.approx(20.0855, rel=1e-4)
    assert at_n_rows(zipf, 25) == {"a": 4, "b": 12, "c": 3, "d": 6}
    assert at_n_rows({"x": 3, "y": 1}, 400) == {"x": 300, "y": 100}


def test_no_shape_could_be_larger() -> None:
    for counts in CASES:
        weights = shape_weights("zipf", counts, 1.3)
        shares = as_large_as_possible(weights, counts)
        assert all(shares[key] <= counts[key] for key in shares)
        if weights:
            assert any(shares[key] == counts[key] for key in shares)
    flat = shape_weights("flat", {"a": 7, "b": 3}, 0)
    assert as_large_as_possible(flat, {"a": 7, "b": 3}) == {"a": 3, "b": 3}
