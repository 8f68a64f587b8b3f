"""Rows are counted in Python's numbers."""

from types import SimpleNamespace

import numpy as np

from spark_jobs.core.row_counts import count_rows


def test_a_number_of_numpy_becomes_one_of_python() -> None:
    on_connect = SimpleNamespace(count=lambda: np.int64(3))
    assert type(count_rows(on_connect)) is int  # type: ignore[arg-type]
    assert count_rows(on_connect) == 3  # type: ignore[arg-type]
