"""A heap that is too small ends the command; it does not wait."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

HEAP = "500m"


@pytest.mark.faults
def test_a_page_that_the_heap_does_not_hold_is_a_fault(tmp_path: Path) -> None:
    table = pa.table({"uid": [f"u{i}" for i in range(60)], "caption": ["a cat. " * 1_500_000] * 60})
    pq.write_table(table, tmp_path / "t.parquet", use_dictionary=False, data_page_size=1 << 30)
    (tmp_path / "bank.txt").write_text("cat\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYSPARK_", "JAVA_T"))}
    done = subprocess.run(
        [
            *(Path(sys.executable).parent / "captionlake", "match-concepts"),
            *("--captions", tmp_path / "t.parquet", "--bank", tmp_path / "bank.txt"),
            *("--output", tmp_path / "matches"),
        ],
        env=environment | {"SPARK_DRIVER_MEMORY": HEAP},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 1, done.stderr
    assert told["status"] == "failed"
    assert told["error"].startswith("Spark's Java process ended")
    assert "OutOfMemoryError" in done.stdout + done.stderr
    assert done.stderr.strip().splitlines()[-1] == f"error: {told['error']}"
