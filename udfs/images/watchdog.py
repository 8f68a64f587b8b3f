"""Deadlines for connections: a thread that shuts sockets down when their time is over."""

import heapq
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Deadline:
    """The time until which one download may take; its socket may change with redirects."""

    def __init__(self, at: float) -> None:
        self.at = at  # of time.monotonic()
        self.socket: socket.socket | None = None
        self.is_over = False

    def remaining_s(self) -> float:
        """Seconds that are left; TimeoutError if there are none."""
        left = self.at - time.monotonic()
        if left <= 0 or self.is_over:
            raise TimeoutError("deadline")
        return left

    def end(self) -> None:
        """Shut the socket down, at which a thread that reads from it gets the end of its data."""
        self.is_over = True
        connection = self.socket  # read once: the download may end meanwhile
        if connection is not None:
            with suppress(OSError):  # not connected, or closed already
                # Not SSLSocket's own, which would let the reader go on without decryption.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class Watchdog:
    """Ends deadlines in a thread of its own.

    A time limit on each read of a socket is not enough: a server that sends a byte a second is
    never late.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Deadline]] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True, name="deadlines").start()

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[Deadline]:
        """A deadline this many seconds from now, which ends only while the context is open."""
        deadline = Deadline(time.monotonic() + seconds)
        with self._changed:
            heapq.heappush(self._waiting, (deadline.at, id(deadline), deadline))
            if self._waiting[0][2] is deadline:
                self._changed.notify()
        try:
            yield deadline
        finally:
            deadline.socket = None

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting or self._waiting[0][0] > time.monotonic():
                    left = self._waiting[0][0] - time.monotonic() if self._waiting else None
                    self._changed.wait(left)
                _, _, deadline = heapq.heappop(self._waiting)
            deadline.end()
