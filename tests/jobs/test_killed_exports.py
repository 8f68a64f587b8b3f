"""A run of export-webdataset that is killed leaves no shard behind; the next one writes all."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.processes import QUICK_JAVA

BIN = Path(sys.executable).parent
N = 1_200


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    uids = [f"{k:032x}" for k in range(N)]
    pq.write_table(pa.table({"uid": uids, "caption": uids}), folder / "captions.parquet")
    (folder / "shards").mkdir()
    with tarfile.open(folder / "shards/00000.tar", "w") as archive:
        for uid in uids:
            record = json.dumps({"uid": uid}).encode()
            for ending, content in (("jpg", b"\xff\xd8\xff" + bytes(20_000)), ("json", record)):
                member = tarfile.TarInfo(f"{uid}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return folder


@pytest.mark.faults
def test_a_killed_run_leaves_nothing_that_looks_complete(captionlake, inputs, tmp_path) -> None:
    out = tmp_path / "out"
    command = [
        *("export-webdataset", "--captions", inputs / "captions.parquet"),
        *("--images", inputs / "shards", "--samples-per-shard", 100, "--output", out),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYSPARK_")}
    running = subprocess.Popen(
        [BIN / "captionlake", *map(str, command)],
        env=environment | QUICK_JAVA | {"SPARK_DRIVER_MEMORY": "1g"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 200
        while not [*out.glob(".*/[0-9]*.tar")]:  # the first shards are whole
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert [path for path in out.iterdir() if path.name[0] not in "._"] == []
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"]["samples"] == N
    sizes = json.loads((out / "sizes.json").read_text())
    assert sizes == {f"{n:05}.tar": 100 for n in range(12)}
    assert sorted(path.name for path in out.glob("*.tar")) == [*sizes]
    assert [*out.glob(".*/*.tar")] == []
