"""How many rows of each class are wanted, by hand."""

from spark_jobs.subsets.target import Target, target_at


def test_without_a_size_the_weights_are_the_rows() -> None:
    assert target_at({"a": 60, "b": 0}, {}, None) == Target({"a": 60, "b": 0})


def test_a_number_of_rows_is_shared_out() -> None:
    target = target_at({"a": 60, "b": 20, "c": 1}, {"a": 1}, 8)
    assert target == Target({"a": 6, "b": 2, "c": 0}, n_without_share=1)


def test_the_largest_size_leaves_no_class_short() -> None:
    """3 to 1, of 10 and 50 rows: 10 and 3; 3 to 1, of 10 and 2 rows: 8 (less than 9) and 2."""
    assert target_at({"a": 3, "b": 1}, {"a": 10, "b": 50}, "largest").rows == {"a": 10, "b": 3}
    assert target_at({"a": 30, "b": 10}, {"a": 10, "b": 2}, "largest").rows == {"a": 8, "b": 2}


def test_the_largest_size_leaves_out_classes_without_rows() -> None:
    weights = {"a": 400, "b": 100, "c": 1, "d": 7, "none": 0}
    target = target_at(weights, {"a": 40, "b": 900, "c": 3}, "largest")
    assert target.rows == {"a": 40, "b": 10, "c": 0, "d": 0, "none": 0}
    assert (target.n_without_share, target.n_without_rows) == (1, 1)
