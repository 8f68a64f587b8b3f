"""Processes that download shards one after another, each of which must end within its time."""

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from udfs.images.download_options import DownloadOptions
from udfs.images.shard_files import (
    FAILED,
    NO_ROW,
    incomplete_shard,
    is_done,
    n_planned_rows,
    read_shard,
    write_ledger,
)
from udfs.stores import shared_options

OnProgress = Callable[[int, int], None]  # rows and bytes of a shard so far
_MAX_ATTEMPTS = 20  # of one shard
_STARTS_WITHIN_S = 120.0  # imports OpenCV and others; a busy machine takes its time


class ShardError(Exception):
    """The files of a shard could not be written; the message says why."""


class _LostError(Exception):
    """The process has ended, or was ended since its time was over."""


def _longest_stall_s(options: DownloadOptions) -> float:
    """Seconds within which a process must have dealt with a further row: a fetch ends before."""
    return 60 + 2 * options.limits.deadline_s


class ShardProcess:
    """A context with a process that downloads shards; it is started again if it is lost."""

    def __init__(self, options: DownloadOptions) -> None:
        self._options = options
        self._running: _Running | None = None
        self._is_stopped = False

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="captionlake-")
        self._decoding = f"{self._folder.name}/row"
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._folder.cleanup()

    def download(self, shard: int, on_progress: OnProgress, stall_s: float | None = None) -> None:
        """Download a shard unless it is done; `stall_s`: seconds for a process to get no further.

        If the process is lost, the next decodes images in one of its own, so that each image which
        ends it is told apart; one that ends both is left out in the attempts after that. A shard
        that ends in no attempt has a ledger in which all rows have failed. Raises ShardError if its
        files cannot be written.
        """
        folder = self._options.folder
        if is_done(folder, shard):
            return
        n_rows = n_planned_rows(folder, shard)
        stall_s = stall_s or _longest_stall_s(self._options)
        lost_at: list[int] = []  # the row whose image was being decoded, or NO_ROW
        while len(lost_at) < _MAX_ATTEMPTS and lost_at.count(NO_ROW) < 2:
            request = {
                "shard": shard,
                "decodes_apart": bool(lost_at),
                "skipped": sorted({*lost_at[1:]} - {NO_ROW}),
                "decoding": self._decoding,
            }
            try:
                return self._attempt(request, on_progress, stall_s)
            except _LostError:
                self._end()
                if self._is_stopped:
                    raise ShardError("stopped") from None
                lost_at.append(struct.unpack("q", Path(self._decoding).read_bytes())[0])
        self._give_up(shard)
        on_progress(n_rows, 0)

    def stop(self) -> None:
        """End the process, from another thread; the download that it is at raises ShardError."""
        self._is_stopped = True
        if (running := self._running) is not None:
            running.kill()

    def _attempt(self, request: dict[str, Any], on_progress: OnProgress, stall_s: float) -> None:
        Path(self._decoding).write_bytes(struct.pack("q", NO_ROW))
        if self._running is None:
            self._running = _Running(self._options, self._folder.name)
        if self._is_stopped:  # while it started
            raise _LostError
        self._running.send(request)
        while True:
            answer = self._running.receive(stall_s)
            if "fault" in answer:
                raise ShardError(answer["fault"])
            on_progress(answer["rows"], answer["bytes"])
            if "done" in answer:
                return

    def _end(self) -> None:
        if self._running is not None:
            self._running.end()
            self._running = None

    def _give_up(self, shard: int) -> None:
        message = "the process that had its shard did not come to an end"
        facts = {"status": FAILED, "cause": "failed", "message": message, "shard": shard}
        rows = read_shard(self._options.folder, shard).select(["uid", "url", "attempt"]).to_pylist()
        with incomplete_shard(self._options.folder, shard) as work:
            write_ledger(work, shard, [row | facts for row in rows])


class _Running:
    """A running process, and the pipes to and from it; ShardError if it does not start."""

    def __init__(self, options: DownloadOptions, folder: str) -> None:
        reading, writing = os.pipe()
        self._answers, self._unread = os.fdopen(reading, "rb", buffering=0), b""
        # -P: a file json.py in the working directory is none of its modules.
        command = [sys.executable, "-P", "-m", "udfs.images.shard_worker", str(writing)]
        environment = {
            **os.environ,
            # The workers of a cluster may have this package in an archive that only sys.path names.
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "TMPDIR": folder,  # what a killed process leaves there goes with the folder
        }
        with tempfile.TemporaryFile() as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                env=environment,
                start_new_session=True,  # Ctrl-C is for the program that started it
            )
            os.close(writing)
            try:
                # Not as arguments: the options of stores hold keys, and every user may see those.
                self.send({"options": options.as_json(), "stores": shared_options()})
                self.receive(_STARTS_WITHIN_S)
            except _LostError:
                self.end()
                log.seek(0)
                *_, last = ["", *log.read().decode(errors="replace").split("\n")[:-1]]
                raise ShardError(f"the process for it does not start: {last[:500]}") from None

    def send(self, request: dict[str, Any]) -> None:
        """Send a request; _LostError if the process has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise _LostError from None

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """The next answer; _LostError without one in time."""
        while b"\n" not in self._unread:
            poll = select.poll()  # select itself takes no descriptor above 1,023
            poll.register(self._answers, select.POLLIN)
            part = self._answers.read(64 * 1024) if poll.poll(timeout_s * 1000) else b""
            if not part:
                raise _LostError
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        """Kill the process, without waiting for its end."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # a request that it had not read
            self._process.stdin.close()
        self._answers.close()
