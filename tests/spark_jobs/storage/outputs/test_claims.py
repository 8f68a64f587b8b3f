"""A run of a pipeline has its tables to itself until it has ended; what is up to date is shared."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from spark_jobs.core.errors import OutputTableError
from spark_jobs.core.settings import OutputAddress, Settings
from spark_jobs.storage.outputs.claims import Claims


class Writes(Settings):
    output: OutputAddress
    counts: OutputAddress | None = None


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_two_runs_may_do_at_once(tmp_path: Path) -> None:
    step = Writes(output=f"parquet:{tmp_path}/a", counts=str(tmp_path / "b"))
    other = Writes(output=str(tmp_path / "c"))
    with Claims("curate") as first, Claims("run") as second:
        second.claim(other, writes=True)
        first.claim(step, writes=True)
        first.claim(step, writes=True)  # a later step of the same run
        for writes in (True, False):
            with pytest.raises(OutputTableError, match=r"a: belongs to a run of curate \(process "):
                second.claim(step, writes=writes)
    assert files(tmp_path) == []
    with Claims("curate") as first, Claims("run") as second, Claims("run") as third:
        first.claim(step, writes=False)
        second.claim(step, writes=False)
        with pytest.raises(OutputTableError, match="b: belongs to a run of"):
            third.claim(Writes(output=step.counts), writes=True)
        first.__exit__()
        with pytest.raises(OutputTableError, match="a: belongs to a run of another pipeline"):
            third.claim(step, writes=True)
        second.claim(step, writes=True)  # found up to date, then written
    assert files(tmp_path) == []


def test_the_claim_of_a_killed_run_counts_no_more(tmp_path: Path) -> None:
    file = tmp_path / ".a.captionlake_run"
    script = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
    script += 'f.write(\'{"pipeline": "run", "process": 7, "host": "h", "since": "noon"}\'); '
    script += "f.flush(); print(flush=True); input()"
    arguments = [sys.executable, "-S", "-c", script, file]
    with (
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killed,
        Claims("curate") as claims,
    ):
        assert killed.stdout is not None
        killed.stdout.readline()
        step = Writes(output=str(tmp_path / "a"))
        with pytest.raises(OutputTableError, match=r"run \(process 7 on h, since noon\) that has"):
            claims.claim(step, writes=True)
        killed.kill()
        killed.wait()
        assert file.exists()
        claims.claim(step, writes=True)
        assert '"curate"' in file.read_text()
    assert files(tmp_path) == []


def test_without_locks_or_on_other_stores_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Claims("run") as claims:
        claims.claim(Writes(output="lake.a", counts="s3a://bucket/a"), writes=True)
        (tmp_path / "file").touch()
        claims.claim(Writes(output=str(tmp_path / "file/a")), writes=True)

        def no_locks(*_: object) -> None:
            raise OSError("no locks")

        monkeypatch.setattr(fcntl, "flock", no_locks)
        claims.claim(Writes(output=str(tmp_path / "a")), writes=True)
    assert files(tmp_path) == ["file"]
