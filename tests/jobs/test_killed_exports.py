"""A killed run of export-webdataset leaves no shard behind, and the next one goes on from it."""

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


UIDS = [f"{k:032x}" for k in range(N)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    pq.write_table(pa.table({"uid": UIDS, "caption": UIDS}), folder / "captions.parquet")
    (folder / "shards").mkdir()
    with tarfile.open(folder / "shards/00000.tar", "w") as archive:
        for uid in UIDS:
            record = json.dumps({"uid": uid}).encode()
            for ending, content in (("jpg", b"\xff\xd8\xff" + bytes(20_000)), ("json", record)):
                member = tarfile.TarInfo(f"{uid}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return folder


def texts_of(shard: Path) -> list[str]:
    with tarfile.open(shard) as archive:
        members = [member for member in archive if member.name.endswith(".txt")]
        return [archive.extractfile(member).read().decode() for member in members]


@pytest.mark.faults
def test_a_killed_run_leaves_nothing_that_looks_complete_and_is_gone_on_with(
    captionlake, inputs, tmp_path
) -> None:
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
    whole = {shard.name: shard.stat() for shard in out.glob(".*/[0-9]*.tar")}
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"]["samples"] == N
    sizes = json.loads((out / "sizes.json").read_text())
    assert sizes == {f"{n:05}.tar": 100 for n in range(12)}
    assert sorted(path.name for path in out.glob("*.tar")) == [*sizes]
    assert {name: (out / name).stat().st_ino for name in whole} == {
        name: file.st_ino for name, file in whole.items()
    }
    assert sorted(uid for name in sizes for uid in texts_of(out / name)) == UIDS
    assert [*out.glob(".*/*.tar")] == []
