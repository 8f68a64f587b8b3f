"""The plan of a balancing: tail and head of each t, by hand."""

import numpy as np
import pandas as pd
import pytest

from spark_jobs.balancing.plan import plan, plan_lines
from spark_jobs.core.schemas import EXPECTED

COUNTS = np.array([0, 1, 2, 2, 3, 4])


@pytest.fixture
def plan_rows() -> pd.DataFrame:
    expected = pd.DataFrame([(2, 9.4, 10.0, 0.0, 0.0), (4, 11.0, 12.0, 0.0, 0.0)])
    thresholds = {2: 2, 4: np.full(6, 4)}
    expected.columns = EXPECTED.names
    return plan(expected, COUNTS, COUNTS, thresholds, has_bytes=False)


def test_an_entry_of_exactly_t_captions_is_tail(plan_rows: pd.DataFrame) -> None:
    assert plan_rows["tail_fraction"].tolist() == [5 / 12, 1.0]  # 1 + 2 + 2 of 12 matches
    assert plan_rows["kept_tail_fraction"].tolist() == [5 / 10, 1.0]
    assert plan_rows["head_entries"].tolist() == [2, 0]
    assert plan_rows["expected_rows"].tolist() == [9, 11]


def test_the_lines_say_what_tail_and_head_are(plan_rows: pd.DataFrame) -> None:
    lines = plan_lines(plan_rows, marked_t=2)
    assert lines[1].split() == [">", "2", "9", "-", "41.7%", "50.0%", "2"]
    assert "entries of at most t captions" in lines[3]
    assert max(map(len, lines)) <= 80
