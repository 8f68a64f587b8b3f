"""Decode images to rows of pixels in a process of its own: `python -m udfs.models.decoder_process`.

Both sides of it. The process has Pillow and numpy but no torch, and its stdin is a socket:

- a request: the lengths of what follows, as two numbers of 8 bytes; JSON of the Geometry and, of
  each item, whether it is a path and its length; the items.
- the answer: height x width x 3 bytes of each item, then a byte of each, its place in _REASONS.

Pixels go from the socket straight to where they are wanted, so that the threads that read them
hold Python's lock for next to nothing.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from udfs.images.decoding import (
    BROKEN,
    FORMAT,
    NO_FILE,
    NOT_REGULAR,
    TOO_LARGE,
    TOO_NARROW,
    Image,
    ImageError,
)
from udfs.models.geometry import Geometry, decode_fitted

_REASONS = (None, NO_FILE, NOT_REGULAR, FORMAT, TOO_LARGE, TOO_NARROW, BROKEN)
_LENGTHS = struct.Struct("<QQ")
_STARTS_WITHIN_S = 120.0
# -P: a file json.py in the working directory is none of its modules.
_PROGRAM = ("-P", "-m", "udfs.models.decoder_process")
# A GIF of one pixel, which a process decodes before all others.
_SOUND_IMAGE = b"GIF87a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


class StartError(Exception):
    """A process that decodes cannot be started, or does not decode what it should."""


class DecoderProcess:
    """A running process; StartError if there is none. It ends with the one that started it."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair()
        try:
            with other:
                self._process = _start(other)
        except (OSError, ValueError) as fault:
            self._socket.close()
            raise StartError(str(fault)) from None
        self._socket.settimeout(_STARTS_WITHIN_S)
        try:
            faults = self.decode([_SOUND_IMAGE], Geometry(1, 1, "squash"), memoryview(bytearray(3)))
        except (EOFError, OSError) as fault:
            self.end()
            raise StartError(str(fault) or "it ends at once") from None
        if faults != [None]:
            self.end()
            raise StartError(f"of a sound image it says {faults[0]}")
        self._socket.settimeout(None)

    def decode(
        self, items: Sequence[Image], geometry: Geometry, rows: memoryview
    ) -> list[str | None]:
        """Why each item has no pixels, or None; the others' are in `rows`, bytes of all items.

        EOFError or OSError if the process has ended.
        """
        parts = [i if isinstance(i, bytes) else i.encode("utf-8", "surrogatepass") for i in items]
        listed = [
            (isinstance(item, str), len(part)) for item, part in zip(items, parts, strict=True)
        ]
        head = json.dumps([geometry, listed]).encode()
        lengths = _LENGTHS.pack(len(head), sum(map(len, parts)))
        self._socket.sendall(b"".join([lengths, head, *parts]))
        _receive(self._socket, rows)
        reasons = bytearray(len(items))
        _receive(self._socket, memoryview(reasons))
        return [_REASONS[reason] for reason in reasons]

    def end(self) -> None:
        """Kill the process."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


def _start(connection: socket.socket) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        # The workers of a cluster may have this package in an archive that only sys.path names.
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        # One thread each: numpy's would wait for nothing, with a stack of their own.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, *_PROGRAM],
        stdin=connection.fileno(),
        stdout=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the program that started it
    )


def _receive(connection: socket.socket, into: memoryview) -> None:
    """Fill the bytes, in one call as a rule; EOFError if the other side has ended."""
    n_received = 0
    while n_received < len(into):
        n = connection.recv_into(into[n_received:], 0, socket.MSG_WAITALL)
        if n == 0:
            raise EOFError
        n_received += n


def _received(connection: socket.socket, n_bytes: int) -> bytes:
    content = bytearray(n_bytes)
    _receive(connection, memoryview(content))
    return bytes(content)


def answer_requests(connection: socket.socket) -> None:
    """Decode what is asked for until the other side has ended."""
    while True:
        try:
            n_head, n_items = _LENGTHS.unpack(_received(connection, _LENGTHS.size))
            geometry, listed = json.loads(_received(connection, n_head))
            content = _received(connection, n_items)
            _answer(connection, Geometry(*geometry), listed, content)
        except (EOFError, ConnectionError):
            return


def _answer(
    connection: socket.socket, geometry: Geometry, listed: list[Any], content: bytes
) -> None:
    nothing = bytes(3 * geometry.height * geometry.width)
    reasons, start = bytearray(), 0
    for is_path, length in listed:
        encoded = content[start : start + length]
        start += length
        item = encoded.decode("utf-8", "surrogatepass") if is_path else encoded
        pixels, reason = nothing, None
        try:
            pixels = decode_fitted(item, geometry).tobytes()
        except ImageError as fault:
            reason = fault.reason
        connection.sendall(pixels)
        reasons.append(_REASONS.index(reason))
    connection.sendall(reasons)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer_requests(socket.socket(fileno=0))
