"""Causes of exceptions of Spark Connect, which come as text."""

import pytest
from pyspark.errors.exceptions.connect import AnalysisException, SparkConnectGrpcException

from spark_jobs.storage.faults.causes import causes_of, condition_of
from spark_jobs.storage.faults.spark import to_curation_error

FAILED_TASK = """\
Job aborted due to stage failure: Task 0 in stage 5.0 failed 4 times, most recent failure: \
Lost task 0.3 in stage 5.0 (TID 5) (host executor driver): org.apache.spark.SparkException: \
[TASK_WRITE_FAILED] Task failed while writing rows to file:/data/out.
\tat org.apache.spark.sql.A.b(A.scala:1)
Caused by: java.io.IOException: No space left on device
\tat java.base/java.io.F.write(Native Method)
\t... 3 more

Driver stacktrace:"""


def test_a_failed_task_gives_its_chain_of_causes() -> None:
    fault = SparkConnectGrpcException(FAILED_TASK, reason="org.apache.spark.SparkException")
    causes = causes_of(fault)
    assert [(cause.class_name, cause.condition) for cause in causes] == [
        ("SparkException", None),
        ("SparkException", "TASK_WRITE_FAILED"),
        ("IOException", None),
    ]
    assert causes[-1].message == "No space left on device"
    assert str(to_curation_error(fault)).startswith("no space left on the disk of /data/out or of")


@pytest.mark.parametrize(
    ("fault", "condition"),
    [
        (AnalysisException("[DELTA_MISSING] `/x` is no table."), "DELTA_MISSING"),
        (AnalysisException("\n[A_B.C_D] text"), "A_B.C_D"),
        (SparkConnectGrpcException("[PATH_NOT_FOUND] x", reason="a.B$C"), "PATH_NOT_FOUND"),
        (SparkConnectGrpcException("[not one] x", reason="a.B"), None),
        (ValueError("[PATH_NOT_FOUND] x"), None),
    ],
)  # fmt: skip
def test_a_condition_stands_at_the_beginning(fault: Exception, condition: str | None) -> None:
    assert condition_of(fault) == condition


def test_an_absent_path_is_told_by_its_condition() -> None:
    fault = SparkConnectGrpcException(
        "[PATH_NOT_FOUND] Path does not exist: file:/q.", reason="a.B"
    )
    assert str(to_curation_error(fault)) == "/q: does not exist"
