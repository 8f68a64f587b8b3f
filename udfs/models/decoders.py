"""The decoder processes of a Python worker: one for each thread that waits for pixels."""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from queue import Empty, LifoQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from udfs.images.decoding import BROKEN, Image, ImageError
from udfs.models.decoder_process import DecoderProcess, StartError
from udfs.models.geometry import Geometry, decode_fitted

_log = logging.getLogger(__name__)


def decode_here(
    items: Sequence[Image], geometry: Geometry, rows: NDArray[np.uint8]
) -> list[str | None]:
    """Decode in this thread into rows (n, height, width, 3); of each item, why it has no pixels."""
    reasons: list[str | None] = []
    for item, row in zip(items, rows, strict=True):
        try:
            row[:] = decode_fitted(item, geometry)
            reasons.append(None)
        except ImageError as fault:
            reasons.append(fault.reason)
    return reasons


class Decoders:
    """Up to `n` processes, each started when it is first needed, and anew when it has ended.

    Where none can be started, images are decoded by the threads themselves.
    """

    def __init__(self, n: int) -> None:
        self._idle: LifoQueue[DecoderProcess | None] = LifoQueue()
        for _ in range(n):
            self._idle.put(None)
        self._has_given_up, self._giving_up = False, threading.Lock()

    def decode(
        self, items: Sequence[Image], geometry: Geometry, rows: NDArray[np.uint8]
    ) -> list[str | None]:
        """As `decode_here`, by a process; waits for one if all are at work."""
        if not self._has_given_up:
            try:
                return self._decode_apart(items, geometry, rows)
            except StartError as fault:
                self._give_up(fault)
        return decode_here(items, geometry, rows)

    def end(self) -> None:
        """End the processes that are not at work."""
        places = []
        with suppress(Empty):
            while True:
                places.append(self._idle.get_nowait())
        for process in places:
            if process is not None:
                process.end()
            self._idle.put(None)

    def _decode_apart(
        self, items: Sequence[Image], geometry: Geometry, rows: NDArray[np.uint8]
    ) -> list[str | None]:
        with _Lent(self._idle) as lent:
            reasons = lent.decode(items, geometry, rows)
            if reasons is not None:
                return reasons
            # One of them has ended the process, or the system has: which one is to be seen.
            by_item = [
                lent.decode(items[k : k + 1], geometry, rows[k : k + 1]) for k in range(len(items))
            ]
            # Images are to blame if a process that decodes a sound one can be had after them.
            lent.process()
        return [reasons[0] if reasons else BROKEN for reasons in by_item]

    def _give_up(self, fault: StartError) -> None:
        with self._giving_up:
            is_first, self._has_given_up = not self._has_given_up, True
        if is_first:
            _log.warning(
                "images are decoded in threads, which is slower: no process starts: %s", fault
            )
        self.end()


class _Lent:
    """Context that takes a process from the idle ones, or its place, and gives it back."""

    def __init__(self, idle: "LifoQueue[DecoderProcess | None]") -> None:
        self._idle = idle

    def __enter__(self) -> "_Lent":
        self._process = self._idle.get()
        return self

    def __exit__(self, *_fault: Any) -> None:
        self._idle.put(self._process)

    def process(self) -> DecoderProcess:
        """The process, which is started if there is none."""
        if self._process is None:
            self._process = DecoderProcess()
        return self._process

    def decode(
        self, items: Sequence[Image], geometry: Geometry, rows: NDArray[np.uint8]
    ) -> list[str | None] | None:
        """As `decode_here`; None if the process has ended."""
        process = self.process()
        try:
            return process.decode(items, geometry, rows.reshape(-1).data)
        except (EOFError, OSError):
            self._end()
            return None
        except BaseException:  # the rest of its answer must not become another's
            self._end()
            raise

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


@lru_cache(maxsize=1)
def decoders_of_worker(n: int) -> Decoders:
    """Up to `n` processes, which this one keeps until it ends."""
    return Decoders(n)
