"""Servers of images on loopback."""

from collections.abc import Iterator

import pytest

from tests.image_server import ImageServer, running


@pytest.fixture(scope="module")
def canary() -> Iterator[ImageServer]:
    """A server whose address is not allowed: it must see no request."""
    with running(ImageServer("127.0.0.2")) as server:
        yield server
        assert server.seen == []


@pytest.fixture(scope="module")
def server(canary: ImageServer) -> Iterator[ImageServer]:
    with running(ImageServer(canary=f"{canary.url}/good")) as server:
        yield server
