"""Run commands of captionlake in one program.

`run_commands.py [key=value ...] COMMANDS.json RESULTS.json`. With settings, a session of local mode
is opened with them first. The first file is a list of lists of words. The second gets `commands`:
of each its exit code, summary, lines on stderr, seconds, and the trace of an exception that is no
fault of a run; and `code`: where the workers' Python has the package udfs from. Without files, each
line of standard input is a list of words, and a line of standard output what it came to.
"""

import json
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from typer.testing import CliRunner

from spark_jobs.cli import build_app
from spark_jobs.storage.faults.spark import SPARK_FAULTS
from spark_jobs.storage.session import open_session


def run(words: list[str]) -> dict[str, Any]:
    start_s = time.monotonic()
    result = CliRunner().invoke(build_app(), [*words, "--json"])
    lines = result.stdout.strip().splitlines()
    is_fault = result.exception is not None and not isinstance(result.exception, SystemExit)
    return {
        "exit_code": result.exit_code,
        "summary": json.loads(lines[-1]) if lines and not is_fault else {},
        "answer": lines[:-1],
        "stderr": result.stderr,
        "seconds": round(time.monotonic() - start_s, 2),
        "trace": "".join(traceback.format_exception(result.exception)) if is_fault else "",
    }


def where_workers_have_the_code() -> list[str]:
    """The files of the package udfs in the workers' Python, one of each of several tasks."""

    def paths(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import udfs

        for _ in batches:
            yield pa.RecordBatch.from_pydict({"path": [udfs.__file__]})

    try:
        rows = open_session().range(0, 4, 1, 4).mapInArrow(paths, "path string").collect()
    except SPARK_FAULTS:  # workers with a fault that the commands have met too
        return []
    return sorted({row["path"] for row in rows})


if __name__ == "__main__":
    conf = [word for word in sys.argv[1:] if "=" in word]
    files = sys.argv[1 + len(conf) :]
    if conf:
        open_session(dict(setting.split("=", 1) for setting in conf))
    if not files:
        for line in sys.stdin:
            sys.stdout.write(f"{json.dumps(run(json.loads(line)))}\n")
            sys.stdout.flush()
        sys.exit()
    commands, results = files
    done = [run(words) for words in json.loads(Path(commands).read_text())]
    Path(results).write_text(json.dumps({"commands": done, "code": where_workers_have_the_code()}))
