"""Processes that decode: what becomes of images, and of processes, when one of them ends."""

import io
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from udfs.models import decoder_process
from udfs.models.decoders import Decoders, decode_here
from udfs.models.geometry import Geometry
from udfs.watched_processes import is_running

GEOMETRY = Geometry(8, 8, "shortest")
# A process that some images end, and that logs its starts.
MORTAL = """
import os, socket
import udfs.models.decoder_process as tested
with open("starts", "a") as file:
    file.write(".")
decode = tested.decode_fitted
def decode_or_die(item, geometry):
    if item == "dies":
        os.kill(os.getpid(), 9)
    if item == "dies at first" and not os.path.exists("died"):
        open("died", "w").close()
        os.kill(os.getpid(), 9)
    return decode(item if item[:4] != "dies" else "photo", geometry)
tested.decode_fitted = decode_or_die
tested.answer_requests(socket.socket(fileno=0))
"""
# A program with processes, which says which ones they are.
OWNER = """
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np, psutil
from udfs.models.decoders import Decoders
from udfs.models.geometry import Geometry
decoders = Decoders(2)
rows = np.zeros((1, 8, 8, 3), np.uint8)
with ThreadPoolExecutor(2) as pool:
    work = lambda _: decoders.decode(["photo"], Geometry(8, 8, "shortest"), rows)
    assert list(pool.map(work, range(50))) == [[None]] * 50
print(*(child.pid for child in psutil.Process().children()), flush=True)
time.sleep(600)
"""


def photo(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (20, 30, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG")
    return written.getvalue()


def rows_for(items: list[Any]) -> Any:
    return np.zeros((len(items), 8, 8, 3), np.uint8)


def expected_rows(items: list[Any]) -> Any:
    rows = rows_for(items)
    assert decode_here(items, GEOMETRY, rows) == [None] * len(items)
    return rows


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of processes, with an image."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo").write_bytes(photo(0))
    return tmp_path


@pytest.fixture
def mortal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(decoder_process, "_PROGRAM", ("-P", "-c", MORTAL))
    pool = Decoders(1)
    yield pool
    pool.end()


def n_starts(folder: Path) -> int:
    return len((folder / "starts").read_text())


def test_an_image_that_ends_its_process_is_broken_and_others_are_decoded(
    mortal: Decoders, folder: Path
) -> None:
    items: list[Any] = [photo(1), "dies", photo(2), photo(3), "dies", "absent"]
    rows = rows_for(items)
    faults = mortal.decode(items, GEOMETRY, rows)
    assert faults == [None, "image_broken", None, None, "image_broken", "no_such_file"]
    sound = [0, 2, 3]
    np.testing.assert_array_equal(rows[sound], expected_rows([items[k] for k in sound]))
    # The first, after each of three deaths, and none but the last for what comes next.
    assert mortal.decode([photo(4)], GEOMETRY, rows_for([0])) == [None]
    assert n_starts(folder) == 4


def test_images_that_all_end_their_process_are_all_broken(mortal: Decoders) -> None:
    assert mortal.decode(["dies"] * 3, GEOMETRY, rows_for([0] * 3)) == ["image_broken"] * 3
    assert mortal.decode(["photo"], GEOMETRY, rows_for([0])) == [None]


def test_a_process_that_the_system_ends_loses_no_image(mortal: Decoders, folder: Path) -> None:
    items: list[Any] = [photo(1), "dies at first", photo(2)]
    rows = rows_for(items)
    assert mortal.decode(items, GEOMETRY, rows) == [None] * 3
    np.testing.assert_array_equal(rows[::2], expected_rows(items[::2]))
    assert n_starts(folder) == 2


def test_a_process_that_was_ended_between_images_is_replaced(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    decoders = Decoders(1)
    before = set(psutil.Process().children())
    rows = rows_for(["photo"])
    assert decoders.decode(["photo"], GEOMETRY, rows) == [None]
    (process,) = set(psutil.Process().children()) - before
    process.send_signal(signal.SIGINT)  # Ctrl-C is for others
    assert decoders.decode(["photo"], GEOMETRY, rows) == [None]
    assert process.is_running()
    process.kill()
    for _ in range(2):
        assert decoders.decode(["photo"], GEOMETRY, rows) == [None]
    decoders.end()
    assert set(psutil.Process().children()) <= before
    assert not caplog.records


@pytest.mark.parametrize(
    "program",
    [
        ("-c", ""),  # ends at once
        ("-c", "import os, signal; os.kill(os.getpid(), signal.SIGSYS)"),  # as seccomp does
        ("-m", "udfs.models.absent"),
        None,  # none can be started
    ],
)
def test_threads_decode_where_no_process_does(
    program: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if program is None:
        monkeypatch.setattr(sys, "executable", "/absent/python")
    else:
        monkeypatch.setattr(decoder_process, "_PROGRAM", program)
    decoders = Decoders(3)
    items = [photo(k) for k in range(4)]
    with ThreadPoolExecutor(3) as pool:
        for rows in pool.map(lambda _: _decoded(decoders, items), range(6)):
            np.testing.assert_array_equal(rows, expected_rows(items))
    assert [record.getMessage()[:30] for record in caplog.records] == [
        "images are decoded in threads,"
    ]


def _decoded(decoders: Decoders, items: list[Any]) -> Any:
    rows = rows_for(items)
    assert decoders.decode(items, GEOMETRY, rows) == [None] * len(items)
    return rows


def test_processes_end_with_their_owner_whose_neighbour_goes_on(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    owners = [
        subprocess.Popen(
            [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(2)
    ]
    try:
        decoders = []
        for owner in owners:
            assert owner.stdout is not None
            decoders.append([int(number) for number in owner.stdout.readline().split()])
        assert [len(processes) for processes in decoders] == [2, 2]
        for owner, processes in zip(owners, decoders, strict=True):
            assert all(map(is_running, processes))
            owner.send_signal(signal.SIGKILL)
            _wait_until(lambda these=processes: not any(map(is_running, these)))
    finally:
        for owner in owners:
            owner.kill()
            owner.communicate()


def _wait_until(is_so: Any) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
