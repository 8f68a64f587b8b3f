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


@pytest.mark.faults
def test_ctrl_c_in_the_middle_of_a_query_is_one_line(tmp_path: Path) -> None:
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
        while "ingest-captions ..." not in (tmp_path / "stderr").read_text():
            time.sleep(0.05)
            assert run.poll() is None
        time.sleep(1)
        os.killpg(run.pid, signal.SIGINT)
        stdout, _ = run.communicate(timeout=60)
    message = "interrupted; the same command goes on with what is missing"
    assert run.returncode == 130
    assert json.loads(stdout) == {"job": "ingest-captions", "status": "failed", "error": message}
    lines = (tmp_path / "stderr").read_text().splitlines()
    assert lines[-1] == f"error: {message}"
    assert [line for line in lines if line.startswith("error:")] == lines[-1:]
