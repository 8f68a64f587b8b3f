"""The program that downloads shards in a process of its own: `python -m udfs.images.shard_worker`.

It takes a line of JSON for each shard on stdin and answers in lines of JSON on the descriptor that
its first argument names; stdout and stderr are img2dataset's, which shuts them while it decodes.
"""

import json
import os
import queue
import resource
import struct
import sys
import threading
import time
from mmap import mmap
from typing import Any

_PROGRESS_EVERY_S = 0.5


def main() -> None:
    """Download the shards that are asked for, until stdin ends."""
    answers = os.fdopen(int(sys.argv[1]), "w", buffering=1)
    # Before OpenCV is imported: img2dataset looks at an image's area after it has decoded it.
    from udfs.images.download_options import DownloadOptions

    options = DownloadOptions.from_json(sys.argv[2])
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(options.limits.max_pixels)
    from udfs.images.fetch import Fetcher
    from udfs.images.shard_download import ShardDownload
    from udfs.stores import share_options

    share_options(json.loads(sys.argv[3]))
    _allow_open_files()
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    fetcher = Fetcher(options.limits)
    answers.write('{"ready": true}\n')
    while True:
        request = requests.get()
        progress = _Progress(answers)
        with open(request["decoding"], "r+b") as file, mmap(file.fileno(), 8) as decoding:
            download = ShardDownload(
                shard=request["shard"],
                options=options,
                fetcher=fetcher,
                skipped=frozenset(request["skipped"]),
                on_decoding=lambda position, at=decoding: struct.pack_into("q", at, 0, position),  # type: ignore[misc]
                on_row=progress.add,
            )
            try:
                download.run()
            except Exception as fault:  # told to the program, which ends
                text = str(fault) if isinstance(fault, OSError) else repr(fault)
                answers.write(json.dumps({"fault": text}) + "\n")
                continue
        progress.write({"done": request["shard"]})


def _allow_open_files() -> None:
    """Take as many open files as the system gives: each connection is one, and 1,024 are usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Progress:
    """Numbers of rows and bytes, told now and then; threads may add to them."""

    def __init__(self, answers: Any) -> None:
        self._answers, self._lock = answers, threading.Lock()
        self._rows = self._bytes = 0
        self._told_at = time.monotonic()

    def add(self, n_bytes: int) -> None:
        with self._lock:
            self._rows, self._bytes = self._rows + 1, self._bytes + n_bytes
            if time.monotonic() > self._told_at + _PROGRESS_EVERY_S:
                self._tell({})

    def write(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._tell(message)

    def _tell(self, message: dict[str, Any]) -> None:
        counts = {"rows": self._rows, "bytes": self._bytes}
        self._answers.write(json.dumps({**message, **counts}) + "\n")
        self._told_at = time.monotonic()


def _read(requests: "queue.Queue[dict[str, Any]]") -> None:
    """Take requests, and end with the program that sends them, whatever is still being done."""
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    main()
