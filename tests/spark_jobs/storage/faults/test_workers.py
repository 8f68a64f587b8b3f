"""Faults of Python workers, told from the traceback in Spark's message."""

import pytest

from spark_jobs.storage.faults.workers import worker_fault

TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n'


@pytest.mark.parametrize(
    ("raised", "line"),
    [
        ("ModuleNotFoundError: No module named 'numba'", "the workers' Python lacks a module"),
        ("ModuleNotFoundError: No module named 'udfs'", "the workers' Python lacks captionlake"),
        ("ModuleNotFoundError: No module named 'udfs.text'", "--py-files captionlake.zip"),
        (
            "pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python "
            "in worker has different version (3, 12) than that in driver 3.11, PySpark cannot run.",
            "the workers' Python is 3.12, that of the driver 3.11",
        ),
    ],
)
def test_the_line_names_the_machine_and_the_remedy(raised: str, line: str) -> None:
    assert line in str(worker_fault(TRACE + raised))
