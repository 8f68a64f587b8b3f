"""Files that tasks write by their number."""

import pytest

from spark_jobs.core.errors import CurationError
from spark_jobs.core.task_files import rows_by_task


def test_rows_of_each_task() -> None:
    assert rows_by_task([(2, 10), (0, 5)]) == {0: 5, 2: 10}


def test_tasks_that_all_take_themselves_for_the_first_are_refused() -> None:
    with pytest.raises(CurationError, match="several tasks wrote file 0: this platform"):
        rows_by_task([(0, 10), (0, 5)])
