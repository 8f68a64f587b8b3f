"""Spark Connect: the code that a server's workers need, and a server that does not answer."""

import hashlib
import io
import logging
import socket
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from spark_jobs.core.errors import CurationError
from spark_jobs.storage.faults.spark import SPARK_FAULTS

_log = logging.getLogger(__name__)
_DEFAULT_PORT = 15_002  # of sc://host
_TIMEOUT_S = 15.0
_PACKAGES = ("spark_jobs", "udfs")
# Folders whose code runs on the driver alone, and whose files it reads.
_NOT_FOR_WORKERS = ("__pycache__", "conf", "demo", "jobs", "report", "running")
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # that a zip can state: the same code makes the same file
_sent: set[str] = set()  # ids of the sessions whose workers have the code


def refuse_silent_server(remote: str) -> None:
    """Raise CurationError if nothing listens at `sc://host:port`.

    PySpark 3.5 tries again for ten minutes, without a word.
    """
    address = urlsplit(remote.partition(";")[0])
    if address.scheme != "sc" or not address.hostname:
        return
    try:
        place = (address.hostname, address.port or _DEFAULT_PORT)
        socket.create_connection(place, timeout=_TIMEOUT_S).close()
    except OSError as fault:
        raise CurationError(
            f"SPARK_REMOTE: no Spark Connect server answers at {place[0]}:{place[1]} ({fault}); "
            "start it, or unset SPARK_REMOTE to use local mode"
        ) from None


def send_code(session: Any) -> None:
    """Give the Python workers of a server the code that runs in them, once for each session.

    They use it before any captionlake that is installed there, so client and workers run the same.
    Only logs a fault: a platform may refuse artifacts, and have the packages.
    """
    if session.session_id in _sent:
        return
    with tempfile.TemporaryDirectory() as folder:
        content = _zip_of_packages()
        path = Path(folder, f"captionlake-{hashlib.sha256(content).hexdigest()[:16]}.zip")
        path.write_bytes(content)
        try:
            session.addArtifacts(str(path), pyfile=True)
        except SPARK_FAULTS as fault:
            _log.warning("the server takes no code, so its own captionlake is used: %s", fault)
    _sent.add(session.session_id)


@cache
def _zip_of_packages() -> bytes:
    """A zip archive of the packages whose functions are pickled by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for package in _PACKAGES:
            for name, file in _files_in(package, files(package)):
                info = zipfile.ZipInfo(name, _EARLIEST)
                archive.writestr(info, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _files_in(name: str, folder: Traversable) -> Iterator[tuple[str, Traversable]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        path = f"{name}/{item.name}"
        if item.is_file():
            yield path, item
        elif item.name not in _NOT_FOR_WORKERS:
            yield from _files_in(path, item)
