"""Decode and resize images in a process of its own, for those whose image ends it."""

import io
import json
import math
import multiprocessing
import signal
import time
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from udfs.images.download_options import DownloadOptions

# What img2dataset's Resizer returns: image, width, height, those of the original, or the fault.
Resized: TypeAlias = tuple[bytes | None, int | None, int | None, int | None, int | None, str | None]
ENDED = "its decoder came to no end, or ended its process"
NOT_DECODED = "too many images of its shard have ended their decoders"
_MOST_LOST_S = 600.0  # spent on such images of a shard
_ANSWERS_WITHIN_S = 10.0  # beyond the deadline, at which the process ends by itself


def img2dataset_resizer(options: DownloadOptions) -> Any:
    """img2dataset's function from an image as a file to Resized."""
    from img2dataset.resizer import Resizer

    return Resizer(
        image_size=options.image_size,
        resize_mode=options.resize_mode,
        resize_only_if_bigger=options.resize_only_if_bigger,
        encode_quality=options.encode_quality,
        encode_format=options.encode_format,
        skip_reencode=options.skip_reencode,
        min_image_size=options.min_image_size,
        max_aspect_ratio=options.max_aspect_ratio or math.inf,
    )


class DecoderProcess:
    """The same function, in a process that is forked anew when an image has ended it.

    An image may take as long as its fetch. Once a shard's images have lost ten minutes in this way,
    the others are not decoded.
    """

    def __init__(self, options: DownloadOptions) -> None:
        self._options, self._lost_s = options, 0.0
        # Forked from a process without threads, which has OpenCV already.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["img2dataset.resizer"])
        self._process: Any = None
        self._connection: Connection | None = None

    def __call__(self, image: io.BytesIO) -> Resized:
        """The resized image, or why there is none."""
        if self._lost_s > _MOST_LOST_S:
            return None, None, None, None, None, NOT_DECODED
        start = time.monotonic()
        connection = self._connection or self._start()
        try:
            connection.send_bytes(image.getbuffer())
            if not connection.poll(self._options.limits.deadline_s + _ANSWERS_WITHIN_S):
                raise EOFError
            width, height, original_width, original_height, fault = json.loads(
                connection.recv_bytes()
            )
            content = connection.recv_bytes()
        except (EOFError, OSError):
            self.end()
            self._lost_s += time.monotonic() - start
            return None, None, None, None, None, ENDED
        resized = content if fault is None else None
        return resized, width, height, original_width, original_height, fault

    def end(self) -> None:
        """Kill the process, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._process.kill()
            self._process.join()

    def _start(self) -> Connection:
        self._connection, other = self._context.Pipe()
        arguments = (other, self._options.as_json())
        self._process = self._context.Process(target=_decode_images, args=arguments, daemon=True)
        self._process.start()
        other.close()
        return self._connection


def _decode_images(connection: Connection, options_json: str) -> None:
    """Answer each image by its Resized, until there are no more."""
    options = DownloadOptions.from_json(options_json)
    resizer = img2dataset_resizer(options)
    while True:
        try:
            image = connection.recv_bytes()
        except EOFError:
            return
        signal.alarm(math.ceil(options.limits.deadline_s))  # ends the process, whatever it is at
        content, *facts = resizer(io.BytesIO(image))
        signal.alarm(0)
        connection.send_bytes(json.dumps(facts).encode())
        connection.send_bytes(content or b"")
