"""Spark Connect without a server: the code that is sent, and servers that do not answer."""

import io
import socket
import zipfile
from pathlib import Path

import pytest
from pyspark.errors.exceptions.connect import SparkConnectGrpcException

from spark_jobs.core.errors import CurationError
from spark_jobs.storage import connect


class Session:
    """A session that keeps the artifacts it gets."""

    def __init__(self, session_id: str, fault: Exception | None = None) -> None:
        self.session_id, self._fault = session_id, fault
        self.artifacts: list[tuple[str, bytes]] = []

    def addArtifacts(self, path: str, *, pyfile: bool) -> None:
        assert pyfile
        if self._fault is not None:
            raise self._fault
        self.artifacts.append((Path(path).name, Path(path).read_bytes()))


def test_a_session_gets_the_code_once() -> None:
    first, second = Session("first"), Session("second")
    for session in (first, first, second):
        connect.send_code(session)
    ((name, content),) = first.artifacts
    assert second.artifacts == [(name, content)]  # the same bytes under the same name
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert {"spark_jobs/__init__.py", "udfs/text/unicode61.tsv"} <= {*names}
    assert not [name for name in names if {*name.split("/")} & {"__pycache__", "conf", "jobs"}]
    assert len(content) < 1 << 20


def test_a_server_that_takes_no_code_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    connect.send_code(Session("refuses", SparkConnectGrpcException("no artifacts here")))
    assert "its own captionlake is used: no artifacts here" in caplog.text


def test_a_server_that_does_not_answer_is_one_line() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(CurationError, match=rf"no Spark Connect server .* 127\.0\.0\.1:{port}"):
            connect.refuse_silent_server(f"sc://127.0.0.1:{port}/;token=abc")


@pytest.mark.parametrize("remote", ["", "local[2]", "sc://"])
def test_other_addresses_are_left_to_spark(remote: str) -> None:
    connect.refuse_silent_server(remote)
