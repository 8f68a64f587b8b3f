"""Download shards on this machine, in several processes at a time, with a bar on a terminal."""

import queue
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from udfs.images.download_options import DownloadOptions
from udfs.images.shard_files import n_planned_rows
from udfs.images.shard_process import ShardProcess


def download_shards(shards: Sequence[int], options: DownloadOptions, *, n_processes: int) -> None:
    """Download shards, at most `n_processes` at a time.

    Raises ShardError if files cannot be written; the other processes end, and shards that are done
    stay.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for shard in shards:
        waiting.put(shard)
    processes = [ShardProcess(options) for _ in range(min(n_processes, len(shards)))]
    faults: list[BaseException] = []
    with _Bar(shards, options.folder) as bar:

        def work(process: ShardProcess) -> None:
            try:
                with process:
                    while not faults:
                        shard = waiting.get_nowait()
                        process.download(shard, bar.of_shard(shard))
            except queue.Empty:
                pass
            except BaseException as fault:  # raised again below
                faults.append(fault)
                _stop(processes)

        threads = [threading.Thread(target=work, args=(process,)) for process in processes]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException:  # Ctrl-C
            _stop(processes)
            for thread in threads:
                thread.join()
            raise
    if faults:
        raise faults[0]


def _stop(processes: Iterable[ShardProcess]) -> None:
    for process in processes:
        process.stop()


class _Bar:
    """A bar of images and MB/s on a terminal; nothing elsewhere."""

    def __init__(self, shards: Sequence[int], folder: str) -> None:
        self._shards, self._folder = shards, folder
        self._seen: dict[int, tuple[int, int]] = {}  # shard -> rows and bytes so far
        self._lock = threading.Lock()
        self._bar: Any = None

    def __enter__(self) -> "_Bar":
        if sys.stderr.isatty():
            from tqdm import tqdm

            n_rows = sum(n_planned_rows(self._folder, shard) for shard in self._shards)
            self._bar = tqdm(total=n_rows, unit=" images", smoothing=0.1, leave=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def of_shard(self, shard: int) -> Any:
        """What gets the rows and bytes of a shard so far."""

        def show(n_rows: int, n_bytes: int) -> None:
            if self._bar is None:
                return
            with self._lock:
                rows_before, _ = self._seen.get(shard, (0, 0))
                self._seen[shard] = (n_rows, n_bytes)
                total = sum(size for _, size in self._seen.values())
                elapsed_s = max(self._bar.format_dict["elapsed"], 0.001)
                self._bar.set_postfix_str(f"{total / 1e6 / elapsed_s:.1f} MB/s", refresh=False)
                self._bar.update(n_rows - rows_before)

        return show
