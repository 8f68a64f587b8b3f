"""Each behaviour of a server has its cause, within the deadline."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.image_server import BEHAVIOURS, ImageServer, photograph
from udfs.images.fetch import Fetcher, FetchError, FetchLimits

ALLOWED = FetchLimits(timeout_s=3, deadline_s=4, max_bytes=2_000_000, allow_hosts=("127.0.0.1",))
CLOSED = "http://127.0.0.1:9"  # discard: nothing listens there


def outcome(url: str | None, limits: FetchLimits = ALLOWED) -> str:
    try:
        Fetcher(limits).fetch(url)
    except FetchError as fault:
        return fault.cause
    return "downloaded"


def test_each_behaviour_has_its_cause(server: ImageServer) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(len(BEHAVIOURS)) as pool:
        outcomes = pool.map(outcome, (f"{server.url}/{path}" for path in BEHAVIOURS))
    assert dict(zip(BEHAVIOURS, outcomes, strict=True)) == BEHAVIOURS
    assert time.monotonic() - started < 20  # 4 s and what a busy machine takes


def test_the_bytes_are_the_servers(server: ImageServer) -> None:
    fetch = Fetcher(ALLOWED).fetch
    assert fetch(f"{server.url}/good") == fetch(f"{server.url}/redirect") == photograph()
    assert fetch(f"{server.url}/webp?a=ü b#c") == photograph("WEBP")
    assert "/webp?a=%C3%BC%20b" in server.seen
    assert fetch(f"http://user:pass@{server.url.removeprefix('http://')}/good") == photograph()


def test_the_status_is_told(server: ImageServer) -> None:
    with pytest.raises(FetchError, match="http 429") as fault:
        Fetcher(ALLOWED).fetch(f"{server.url}/429")
    assert fault.value.status == 429


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        *(
            (url, "url")
            for url in (None, "", "x", "//h/x", "http://", "http://a b/", "http://h:x/")
        ),
        *((url, "url") for url in ("http://h:99999/", "http://[::1", "http://fe80::1%25lo/")),
        *((url, "policy") for url in ("file:///etc/hostname", "ftp://h/x", "data:image/png,x")),
        ("http://no-such-host.invalid/", "dns"),
        ("http://a..b/", "url"),
        (f"{CLOSED}/x", "refused"),
    ],
)
def test_urls_that_no_server_is_asked_for(url: str | None, cause: str) -> None:
    assert outcome(url) == cause


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.2", "2130706434", "0x7f000002", "0177.0.0.2", "127.2", "0x7f.2", "localhost"),
        *("127.0.0.2.", "[::1]", "[::ffff:127.0.0.2]", "[::127.0.0.2]", "0", "0.0.0.0", "[::]"),
        *("[64:ff9b::7f00:2]", "[64:ff9b:1::7f00:2]", "[2002:7f00:2::]", "10.0.0.1", "172.16.0.1"),
        *("192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "[ff02::1]", "[fe80::1]"),
        *("[fc00::1]", "255.255.255.255", "198.18.0.1", "[2001:0:7f00:2::]", "[::5efe:7f00:2]"),
        *("[fec0::1]", "[::ffff:0:7f00:2]", "[5f00::1]", "192.88.99.1", "192.0.0.8"),
        *("127.0.0.2#@example.org", "example.org@127.0.0.2", "①②⑦.⓪.⓪.②"),
    ],
)
def test_addresses_that_are_not_public_are_never_connected_to(
    host: str, canary: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket, "create_connection", refuse)
    scheme, _, rest = host.partition("#")
    address = f"http://{scheme}:{canary.server_port}/good" + (f"#{rest}" if rest else "")
    assert outcome(address, FetchLimits()) in ("policy", "dns")


def test_the_address_that_was_checked_is_the_one_connected_to(
    server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name whose next answer is a private address (rebinding) is asked for once."""
    asked: list[str] = []

    def resolve(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        address = host  # of an address, that address
        if host == "rebinding.example":
            address = "127.0.0.1" if asked.count(host) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = f"http://rebinding.example:{server.server_port}/good"
    assert outcome(url) == "downloaded"
    assert asked.count("rebinding.example") == 1
    assert outcome(url) == "policy"


def test_one_private_address_of_several_is_enough_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = [(2, 1, 6, "", (address, 80)) for address in ("93.184.216.34", "10.0.0.7")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
    assert outcome("http://mixed.example/") == "policy"


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.0/8", "localhost"])
def test_hosts_that_were_allowed(server: ImageServer, allowed: str) -> None:
    host = "localhost" if allowed == "localhost" else "127.0.0.1"
    limits = FetchLimits(allow_hosts=(allowed,))
    assert outcome(f"http://{host}:{server.server_port}/good", limits) == "downloaded"


def test_robots_may_be_told_to_be_ignored(server: ImageServer) -> None:
    limits = FetchLimits(allow_hosts=("127.0.0.1",), disallowing=())
    assert outcome(f"{server.url}/robots", limits) == "downloaded"
