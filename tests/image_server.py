"""A server of images on loopback that answers well and in all the ways that servers do not."""

import gzip
import io
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image


@cache
def photograph(kind: str = "JPEG", **options: Any) -> bytes:
    """A photograph of 640 x 427 pixels."""
    from sklearn.datasets import load_sample_image

    file = io.BytesIO()
    Image.fromarray(load_sample_image("china.jpg")).save(file, kind, **options)
    return file.getvalue()


@cache
def bomb() -> bytes:
    """A PNG of 196 megapixels in some kilobytes."""
    side = 14_000
    lines = zlib.compress(bytes((1 + side // 8) * side), 1)
    header = side.to_bytes(4, "big") * 2 + b"\x01\x00\x00\x00\x00"

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
        )

    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", lines), chunk(b"IEND", b"")]
    )


# Path -> what becomes of a row that has it: `downloaded`, or the cause of its failure.
BEHAVIOURS = {
    "good": "downloaded",
    "png": "downloaded",
    "webp": "downloaded",
    "progressive": "downloaded",
    "redirect": "downloaded",
    "slow": "downloaded",
    "wrong-type": "downloaded",
    "cut": "decode",
    "text": "decode",
    "empty": "decode",
    "gzip": "decode",
    "broken": "decode",
    "short": "connection",
    "reset": "connection",
    "no-http": "connection",
    "drip": "timeout",
    "drip-header": "timeout",
    "never": "timeout",
    "huge": "too_large",
    "endless": "too_large",
    "bomb": "too_large",
    "loop": "http",
    "404": "http",
    "429": "http",
    "500": "http",
    "robots": "robots",
    "to-canary": "policy",
    "to-file": "policy",
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "ImageServer"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.split("?")[0].strip("/")
        self.server.seen.append(self.path)
        with suppress(OSError):  # the client has gone
            self._answer(path)
        self.close_connection = True

    def _answer(self, path: str) -> None:
        image = photograph()
        bodies: dict[str, Callable[[], bytes]] = {
            "good": photograph,
            "png": lambda: photograph("PNG"),
            "webp": lambda: photograph("WEBP"),
            "progressive": lambda: photograph(progressive=True, quality=70),
            "cut": lambda: image[: len(image) // 2],
            "text": lambda: b"<html>no image here</html>",
            "empty": lambda: b"",
            "ends-decoder": lambda: photograph(comment=b"ends its decoder"),
            "stalls-decoder": lambda: photograph(comment=b"stalls its decoder"),
            "broken": lambda: b"\xff\xd8\xff\xe0" + b"\0" * 500 + b"\xff\xd9",
            "bomb": bomb,
        }
        if path.startswith("to-") or path in ("redirect", "loop"):
            target = {
                "redirect": "/good", "loop": "/loop", "to-file": "file:///etc/hostname",
                "to-canary": self.server.canary,
            }[path]  # fmt: skip
            self._send(302, b"", Location=target)
        elif path.isdigit():
            self._send(int(path), b"no")
        elif path == "robots":
            self._send(200, image, **{"X-Robots-Tag": "noai, noimageai"})
        elif path == "wrong-type":
            self._send(200, image, **{"Content-Type": "text/html"})
        elif path == "gzip":
            body = gzip.compress(b"\0" * 10_000_000)
            self._send(200, body, **{"Content-Encoding": "gzip"})
        elif path == "slow":
            time.sleep(1)
            self._send(200, image)
        elif path == "short":
            self._send(200, image[:1000], **{"Content-Length": str(len(image))})
        elif path == "huge":
            self._send(200, b"\xff\xd8\xff", **{"Content-Length": str(10**10)})
        elif path == "reset":
            self.connection.close()
        elif path == "no-http":
            self.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        elif path == "never":
            time.sleep(60)
        elif path == "drip":
            self._send(200, b"", **{"Content-Length": "100000"})
            self._drip(image)
        elif path == "drip-header":
            self._drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 60_000)
        elif path == "endless":
            self._send(200, b"", **{"Transfer-Encoding": "chunked"})
            while True:
                self.wfile.write(b"10000\r\n" + b"\xff" * 65_536 + b"\r\n")
        elif path in bodies:
            self._send(200, bodies[path]())
        else:
            self._send(404, b"")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        if not {"Content-Length", "Transfer-Encoding"} & headers.keys():
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, data: bytes) -> None:
        for position in range(len(data)):
            self.wfile.write(data[position : position + 1])
            self.wfile.flush()
            time.sleep(0.2)


class ImageServer(ThreadingHTTPServer):
    """The server; `seen`: the paths that it was asked for; `canary`: where /to-canary redirects."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, host: str = "127.0.0.1", canary: str = "") -> None:
        super().__init__((host, 0), _Handler)
        photograph(), bomb()  # made now: clients do not wait for long
        self.seen: list[str] = []
        self.canary = canary
        self.url = f"http://{host}:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that break off."""


@contextmanager
def running(server: ImageServer) -> Iterator[ImageServer]:
    """The server, which answers while the context is open."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
