"""Fetch an image from a URL of an untrusted list: bounded in addresses, bytes, time and pixels.

img2dataset's own fetcher opens any address and scheme, follows any redirect, and reads without a
limit; each read may last `timeout`, a whole answer for ever.
"""

import contextlib
import http.client
import io
import socket
import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from urllib.parse import quote, urljoin, urlsplit

from udfs.images.completeness import has_end
from udfs.images.image_formats import HEAD_BYTES, image_format, webp_pixels
from udfs.images.public_addresses import AddressRefusedError, AllowedHosts, checked_addresses
from udfs.images.robots import DISALLOWING, is_disallowed
from udfs.images.watchdog import Deadline, Watchdog

Cause = Literal[
    "url",
    "policy",
    "robots",
    "dns",
    "refused",
    "connection",
    "tls",
    "timeout",
    "http",
    "too_large",
    "decode",
    "filtered",
    "failed",
]
# What a cause means, for people.
CAUSES: dict[Cause, str] = {
    "url": "null, or no URL",
    "policy": "another scheme than http and https, or a host whose address is not public",
    "robots": "X-Robots-Tag disallows the use of the image",
    "dns": "the host's name has no address",
    "refused": "the host refused the connection",
    "connection": "the connection broke, or the answer was cut off or is no HTTP",
    "tls": "no valid certificate, or no encryption in common",
    "timeout": "no answer in time, or not to its end",
    "http": "an answer of another status than 2xx, or too many redirects",
    "too_large": "more bytes or pixels than allowed",
    "decode": "no JPEG, PNG or WebP, or one that is cut off or broken",
    "filtered": "smaller, larger or narrower than asked for",
    "failed": "the process that had the image failed",
}
_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_READ_BYTES = 64 * 1024
_ALPHA_COSTS = 4  # times the memory: img2dataset puts transparent images on white in float64
_USER_AGENT = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:72.0) Gecko/20100101 Firefox/72.0"
_IN_PATHS = "/%:=&?~#+!$,;'@()*[]|"  # characters of a path or query that stay as they are


class FetchError(Exception):
    """An image was not fetched: why, and the status of the answer if there was one."""

    def __init__(self, cause: Cause, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.cause, self.status = cause, status


@dataclass(frozen=True)
class FetchLimits:
    """What a fetch may take.

    `timeout_s`: to connect, and for each read; `deadline_s`: for all of it. `allow_hosts`: names,
    addresses and networks that need not be public. `agent`: the name by which a server may address
    this program in X-Robots-Tag, and `disallowing` the directives there that are obeyed.
    """

    timeout_s: float = 10.0
    deadline_s: float = 30.0
    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    allow_hosts: tuple[str, ...] = ()
    agent: str | None = None
    disallowing: tuple[str, ...] = DISALLOWING


@dataclass(frozen=True)
class Fetcher:
    """Fetches images, from many threads at once."""

    limits: FetchLimits
    _watchdog: Watchdog = field(default_factory=Watchdog)

    def fetch(self, url: str | None) -> bytes:
        """The image at a URL, in whole; FetchError, whose cause is told apart, if there is none."""
        with self._watchdog.deadline(self.limits.deadline_s) as deadline:
            try:
                image = self._follow(url, deadline)
            except FetchError:
                raise
            except Exception as fault:
                if deadline.is_over:  # the watchdog shut the connection down
                    raise FetchError("timeout", "timeout") from None
                raise _fetch_error(fault) from fault
        self._check_image(image)
        return image

    def _follow(self, url: str | None, deadline: Deadline) -> bytes:
        for _ in range(_MAX_REDIRECTS + 1):
            target = _parsed(url)
            connection = self._connected(target, deadline)
            response: http.client.HTTPResponse | None = None
            try:
                response = self._answer(connection, target, deadline)
                if response.status not in _REDIRECTS or not response.getheader("Location"):
                    return self._body(response, deadline)
                # Headers come as latin-1; a path that is UTF-8 is to be quoted as such.
                location = response.getheader("Location", "").encode("latin-1", "replace")
                url = urljoin(target.url, location.decode("utf-8", "replace"))
            finally:
                connection.close()
                if response is not None:
                    response.close()  # which has a descriptor of its own
        raise FetchError("http", "too many redirects")

    def _connected(self, target: "_Target", deadline: Deadline) -> http.client.HTTPConnection:
        """A connection to one of the host's addresses, all of which were checked."""
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.default_port = 443 if target.is_encrypted else 80  # left out of the header Host
        raw = self._socket_to(target, deadline)
        connection.sock = deadline.socket = raw
        if target.is_encrypted:
            try:
                connection.sock = deadline.socket = self._tls.wrap_socket(
                    raw, server_hostname=target.host, do_handshake_on_connect=False
                )
                connection.sock.do_handshake()
            except BaseException:
                connection.close()
                raise
        return connection

    def _socket_to(self, target: "_Target", deadline: Deadline) -> socket.socket:
        """A socket to the first address of the host that answers."""
        *others, last = checked_addresses(target.host, target.port, self._allowed)
        for address in others:
            timeout_s = min(self.limits.timeout_s, deadline.remaining_s())
            with contextlib.suppress(OSError):
                return socket.create_connection(address, timeout=timeout_s)
        timeout_s = min(self.limits.timeout_s, deadline.remaining_s())
        return socket.create_connection(last, timeout=timeout_s)

    def _answer(
        self, connection: http.client.HTTPConnection, target: "_Target", deadline: Deadline
    ) -> http.client.HTTPResponse:
        limits = self.limits
        agent = f" (compatible; {limits.agent}; img2dataset)" if limits.agent else ""
        deadline.remaining_s()
        # Like urllib: `identity`, so that nothing is inflated.
        headers = {"User-Agent": _USER_AGENT + agent, "Connection": "close"}
        connection.request("GET", target.path, headers=headers)
        return connection.getresponse()

    def _body(self, response: http.client.HTTPResponse, deadline: Deadline) -> bytes:
        status, limits = response.status, self.limits
        if not 200 <= status < 300:
            raise FetchError("http", f"http {status}", status)
        headers = response.headers.get_all("X-Robots-Tag", [])
        if is_disallowed(headers, limits.agent, limits.disallowing):
            raise FetchError("robots", "disallowed by X-Robots-Tag", status)
        length = response.length  # None if it is not told
        body, n_bytes = io.BytesIO(), 0
        is_too_large = length is not None and length > limits.max_bytes
        while not is_too_large and (chunk := response.read(_READ_BYTES)):
            n_bytes += len(chunk)
            is_too_large = n_bytes > limits.max_bytes
            body.write(chunk)
            deadline.remaining_s()
        if is_too_large:
            raise FetchError("too_large", f"more than {limits.max_bytes:,} bytes", status)
        if deadline.is_over:  # what looked like the end of the answer is none
            raise TimeoutError
        if length is not None and n_bytes < length:
            raise FetchError("connection", "the answer was cut off", status)
        return body.getvalue()

    def _check_image(self, image: bytes) -> None:
        """FetchError for what a decoder shall not be given: by header and end, without decoding."""
        kind = image_format(image[:HEAD_BYTES])
        if kind is None:
            raise FetchError("decode", "no image, or of another format than JPEG, PNG and WebP")
        pixels, has_alpha = _size(image, kind)
        if pixels > self.limits.max_pixels // (_ALPHA_COSTS if has_alpha else 1):
            raise FetchError("too_large", f"{pixels:,} pixels")
        if not has_end(image, kind):
            raise FetchError("decode", "the image is cut off")

    @cached_property
    def _allowed(self) -> AllowedHosts:
        return AllowedHosts(self.limits.allow_hosts)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


@dataclass(frozen=True)
class _Target:
    """The parts of a URL that a request needs; `url`: in whole, as redirects are relative to it."""

    url: str
    host: str
    port: int
    path: str
    is_encrypted: bool


def _parsed(url: str | None) -> _Target:
    """The target of a URL; user and password in it are left out, as in browsers' requests."""
    text = (url or "").strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        if parts.scheme not in ("http", "https"):
            is_url = bool(parts.scheme) and ":" in text
            cause: Cause = "policy" if is_url else "url"
            raise FetchError(cause, f"scheme {parts.scheme[:20]}" if is_url else "no URL")
        if not host or "%" in host:
            raise FetchError("url", "a URL without a host")
        if ":" not in host:  # no IPv6 address
            host = host.encode("idna").decode()
    except ValueError:  # also UnicodeError
        raise FetchError("url", "no URL") from None
    path = quote(parts.path or "/", safe=_IN_PATHS)
    if parts.query:
        path += f"?{quote(parts.query, safe=_IN_PATHS)}"
    is_encrypted = parts.scheme == "https"
    return _Target(text, host, port or (443 if is_encrypted else 80), path, is_encrypted)


def _size(image: bytes, kind: str) -> tuple[int, bool]:
    """(width times height, may it be transparent) by the header; FetchError if it is broken."""
    from PIL import Image

    try:
        if kind == "WEBP":
            head = image[:HEAD_BYTES]
            return webp_pixels(head), head[12:16] == b"VP8L" or bool(head[20] & 0x10)
        with Image.open(io.BytesIO(image), formats=[kind]) as opened:
            width, height = opened.size
            has_alpha = opened.mode in ("LA", "PA", "RGBA") or "transparency" in opened.info
    except Image.DecompressionBombError as fault:
        raise FetchError("too_large", str(fault)[:80]) from None
    except Exception:  # Pillow raises many types, depending on format and damage
        raise FetchError("decode", "a broken header") from None
    return width * height, has_alpha


def _fetch_error(fault: Exception) -> FetchError:
    """What went wrong with a connection, by the first of these kinds that it is of."""
    kinds: tuple[tuple[type[Exception], Cause, str], ...] = (
        (AddressRefusedError, "policy", str(fault)),
        (socket.gaierror, "dns", f"no address: {getattr(fault, 'strerror', '')}"),
        (TimeoutError, "timeout", "timeout"),
        (ssl.SSLError, "tls", f"tls: {getattr(fault, 'reason', None) or fault}"),
        (ConnectionRefusedError, "refused", "connection refused"),
        (http.client.InvalidURL, "url", "no URL"),
        (OSError, "connection", f"connection: {type(fault).__name__}"),
        (http.client.HTTPException, "connection", f"connection: {type(fault).__name__}"),
    )
    for kind, cause, text in kinds:
        if isinstance(fault, kind):
            return FetchError(cause, text)
    # UnicodeError and others, of addresses and headers that no server should have.
    return FetchError("failed", type(fault).__name__)
