"""What is listed as an input: files, and nothing that is waited for when it is opened."""

import os
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.errors import InputDataError
from spark_jobs.storage.file_lists import list_files_at


@pytest.mark.parametrize("location", ["", "/pipe.jsonl", "/*.jsonl"])
def test_a_pipe_is_refused_by_name(spark: SparkSession, tmp_path: Path, location: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"caption": "a"}\n')
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    assert len(list_files_at(spark, str(tmp_path))) == 3
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(InputDataError, match=f"^{tmp_path}/pipe.jsonl: is a pipe or device"):
        list_files_at(spark, f"{tmp_path}{location}")
