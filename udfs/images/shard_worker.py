"""The program that downloads shards in a process of its own: `python -m udfs.images.shard_worker`.

It takes lines of JSON on stdin, the options and then one for each shard, and answers in such lines
on the descriptor that its argument names; stdout and stderr are img2dataset's, which shuts them
while it decodes.
"""

import json
import os
import queue
import resource
import struct
import sys
import threading
import time
from functools import partial
from mmap import mmap
from typing import Any

_PROGRESS_EVERY_S = 0.5


def main() -> None:
    """Download the shards that are asked for, until stdin ends."""
    answers = os.fdopen(int(sys.argv[1]), "w", buffering=1)
    # Before OpenCV is imported: img2dataset looks at an image's area after it has decoded it.
    from udfs.images.download_options import DownloadOptions

    beginning = json.loads(sys.stdin.readline())
    options = DownloadOptions.from_json(beginning["options"])
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(options.limits.max_pixels)
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # else it asks the package index for its news
    from udfs.images.fetch import Fetcher
    from udfs.images.shard_download import ShardDownload
    from udfs.stores import share_options

    share_options(beginning["stores"])
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
                decodes_apart=request["decodes_apart"],
                skipped=frozenset(request["skipped"]),
                on_decoding=partial(_note_row, decoding, progress),
                on_row=progress.add,
            )
            try:
                download.run()
            except Exception as fault:  # told to the program, which ends
                text = str(fault) if isinstance(fault, OSError) else repr(fault)
                answers.write(json.dumps({"fault": text}) + "\n")
                continue
        progress.write({"done": request["shard"]})


def _note_row(decoding: mmap, progress: "_Progress", position: int) -> None:
    struct.pack_into("q", decoding, 0, position)
    progress.keep_alive()


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

    def add(self, n_bytes: int, rows: int = 1) -> None:
        with self._lock:
            self._rows, self._bytes = self._rows + rows, self._bytes + n_bytes
            if time.monotonic() > self._told_at + _PROGRESS_EVERY_S:
                self._tell({})

    def keep_alive(self) -> None:
        """Tell the numbers as they are, now and then: the process is not stuck."""
        self.add(0, rows=0)

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
