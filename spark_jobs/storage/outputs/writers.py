"""One driver at a time for tables on S3, unless told that several are kept apart.

S3 itself lets two writers create the same file, so Delta's own log store for it
(S3SingleDriverLogStore) is safe from one driver only: of two commits at the same time one may be
lost without a word. A run therefore claims the folders that it writes to, by a hidden file that it
renews; a run that meets a claim which is being renewed is refused. Folders of files that runs add
to are claimed too, in any store, since stores have no locks.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import OutputTableError
from spark_jobs.core.settings import Settings
from spark_jobs.storage.platforms import is_databricks
from spark_jobs.storage.session_settings import setting
from udfs.file_systems import file_system
from udfs.stores import place_of

CLAIM = ".captionlake_writer"
RENEWED_EVERY_S = 5.0
# Longer than a renewal takes, with the time that a store may need for it.
ABANDONED_AFTER_S = 20.0
_SETTLES_AFTER_S = 1.0  # then the later of two claims made at once stands
_S3 = ("s3a", "s3", "s3n")
_SINGLE_DRIVER = "S3SingleDriverLogStore"
_log = logging.getLogger(__name__)


class Writer:
    """The claims of one program, whose runs may share them; given back when the last run ends."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._claimed: set[str] = set()
        self._n_runs = 0
        self._lock = threading.RLock()
        self._n_renewals = 0
        self._renewing: threading.Thread | None = None

    @contextmanager
    def run(self) -> Iterator[None]:
        """A run, in which `claim` may be called."""
        with self._lock:
            self._n_runs += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_runs -= 1
                if not self._n_runs:
                    self._release()

    def claim(self, folders: Iterable[str]) -> None:
        """Claim folders; OutputTableError if another program may be writing to one of them."""
        with self._lock:
            new = [folder for folder in dict.fromkeys(folders) if folder not in self._claimed]
            for folder in new:
                with _refused_if_unknown(folder):
                    _refuse_if_renewed(folder, self._id)
                    self._claimed.add(folder)  # before it is written: given back whatever happens
                    self._write(folder)
            if new and self._renewing is None:
                self._renewing = threading.Thread(target=self._renew, daemon=True)
                self._renewing.start()
            if new:
                time.sleep(_SETTLES_AFTER_S)
            for folder in new:
                self.refuse_if_taken(folder)

    def refuse_if_taken(self, folder: str) -> None:
        """Raise OutputTableError for a folder claimed here that another program has taken over.

        It does so after a program has stood still for a while, as on a laptop that slept.
        """
        if folder in self._claimed:
            with _refused_if_unknown(folder):
                other = _read(folder)
            if other is not None and other.get("writer") != self._id:
                raise _refusal(folder, other)

    def _release(self) -> None:
        claimed, self._claimed, self._renewing = self._claimed, set(), None
        for folder in claimed:
            try:
                claim = _read(folder)
                if claim is not None and claim.get("writer") == self._id:
                    system, path = file_system(f"{folder}/{CLAIM}")
                    system.delete_file(path)
            except (OSError, ValueError) as fault:  # it counts as abandoned after a while
                _log.info("%s: the claim stays (%s)", folder, fault)

    def _renew(self) -> None:
        while threading.current_thread() is self._renewing:
            time.sleep(RENEWED_EVERY_S)
            self._renew_claims()

    def _renew_claims(self) -> None:
        for folder in sorted(self._claimed):
            try:
                claim = _read(folder)
                if claim is None or claim.get("writer") == self._id:
                    self._write(folder)
            except (OSError, ValueError) as fault:
                _log.warning("%s: the claim is not renewed (%s)", folder, fault)

    def _write(self, folder: str) -> None:
        self._n_renewals += 1
        claim = {"writer": self._id, "machine": _machine(), "process": os.getpid()}
        system, path = file_system(f"{folder}/{CLAIM}")
        with system.open_output_stream(path) as stream:
            stream.write(json.dumps(claim | {"renewals": self._n_renewals}).encode())


WRITER = Writer()  # of this program


def folders_to_claim(spark: SparkSession, settings: Settings) -> list[str]:
    """The folders on S3 whose tables a job writes, where no log store is configured."""
    tables = [*settings.addresses("output").values(), *settings.further_outputs()]
    folders = [parse_address(address).parent() for address in tables]
    folders += [settings.workspace_address()] if tables else []
    return unguarded(spark, folders)


def unguarded(spark: SparkSession, folders: Iterable[str]) -> list[str]:
    """Those of the folders that are on S3, where no log store is configured, each once."""
    return [folder for folder in dict.fromkeys(folders) if _is_unguarded(spark, folder)]


def _is_unguarded(spark: SparkSession, folder: str) -> bool:
    place = place_of(folder)
    if place is None or place.scheme not in _S3 or is_databricks():
        return False
    names = (f"spark.delta.logStore.{place.scheme}.impl", "spark.delta.logStore.class")
    return not any(setting(spark, name, "") for name in names)


@contextmanager
def _refused_if_unknown(folder: str) -> Iterator[None]:
    """Raise OutputTableError for a store that does not say whether another program writes there."""
    try:
        yield
    except (OSError, ValueError) as fault:
        if isinstance(fault, OutputTableError):
            raise
        raise OutputTableError(
            f"output {folder}: whether another run writes there cannot be told ({fault}); give the "
            "credentials of the store in Spark's settings or the environment, or, if no other "
            f"program writes there, set {_log_store_setting(folder)}="
            f"io.delta.storage.{_SINGLE_DRIVER} (docs/object-stores.md)"
        ) from None


def _log_store_setting(folder: str) -> str:
    place = place_of(folder)
    return f"spark.delta.logStore.{'s3a' if place is None else place.scheme}.impl"


def _refuse_if_renewed(folder: str, own_id: str) -> None:
    """Raise OutputTableError for a claim of another program that is renewed while one waits."""
    first = _read(folder)
    if first is None or first.get("writer") == own_id or _has_ended(first):
        return
    _log.warning("%s: another run wrote there; waiting whether it still does", folder)
    deadline = time.monotonic() + ABANDONED_AFTER_S
    while time.monotonic() < deadline:
        time.sleep(0.5)
        claim = _read(folder)
        if claim is None:
            return
        if claim != first:
            raise _refusal(folder, claim)


def _has_ended(claim: dict[str, Any]) -> bool:
    """Whether the program of a claim ran on this machine and runs no more."""
    process = claim.get("process")
    if claim.get("machine") != _machine() or not isinstance(process, int):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _machine() -> str:
    """The host's name, with what tells containers of one name apart: whose processes they see."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _read(folder: str) -> dict[str, Any] | None:
    system, path = file_system(f"{folder}/{CLAIM}")
    if not system.get_file_info(path).is_file:
        return None
    try:
        with system.open_input_stream(path) as stream:
            claim = json.loads(stream.read())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return claim if isinstance(claim, dict) else None


def _refusal(folder: str, claim: dict[str, Any]) -> OutputTableError:
    host = str(claim.get("machine")).partition(" ")[0]
    return OutputTableError(
        f"output {folder}: a run on {host} (process {claim.get('process')}) writes there, and "
        "the store keeps no two writers apart; wait until it has ended, or, for tables, set "
        f"{_log_store_setting(folder)} to a commit store for all of them (docs/object-stores.md)"
    )
