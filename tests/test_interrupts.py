"""Ctrl-C, as a terminal sends it: to the command and to all that it has started."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = "from spark_jobs.cli import main; main()"


def has_come(moment: str, folder: Path) -> bool:
    if moment == "rows_are_written":
        return (folder / "out").exists()
    begun = "ingest-captions ..." in (folder / "stderr").read_text()
    if begun:
        time.sleep(0.5)  # the JVM takes several seconds to start
    return begun


@pytest.mark.faults
@pytest.mark.parametrize("moment", ["spark_starts", "rows_are_written"])
def test_ctrl_c_is_one_line_and_leaves_no_process(tmp_path: Path, moment: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"caption": "a cat"}\n')
    command = ["ingest-captions", "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out"]
    with (tmp_path / "stderr").open("w") as stderr:
        run = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        while not has_come(moment, tmp_path):
            time.sleep(0.05)
            assert run.poll() is None
        os.killpg(run.pid, signal.SIGINT)
        stdout, _ = run.communicate(timeout=60)  # which the JVM has open as long as it runs
    message = "interrupted; the same command goes on with what is missing"
    assert run.returncode == 130
    assert json.loads(stdout) == {"job": "ingest-captions", "status": "failed", "error": message}
    lines = (tmp_path / "stderr").read_text().splitlines()
    assert lines[-1] == f"error: {message}"
    assert [line for line in lines if line.startswith("error:")] == lines[-1:]
