"""Shards are downloaded in a process of their own, whatever servers and images do to it."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.image_server import BEHAVIOURS, ImageServer
from udfs.images import shard_process
from udfs.images.download_options import DownloadOptions
from udfs.images.fetch import FetchLimits
from udfs.images.shard_files import LEDGER, PLANNED, remove_incomplete, shard_file
from udfs.images.shard_process import ShardError, ShardProcess

LIMITS = FetchLimits(
    timeout_s=3, deadline_s=4, max_bytes=2_000_000, max_pixels=10**7, allow_hosts=("127.0.0.1",)
)


def options(folder: Path, **values: Any) -> DownloadOptions:
    return DownloadOptions(str(folder), rows_per_shard=100, limits=LIMITS, **values)


def plan(folder: Path, urls: list[str | None], shard: int = 0) -> None:
    n = len(urls)
    rows = pa.table(
        {
            "uid": [f"{position:032x}" for position in range(n)],
            "url": pa.array(urls, pa.string()),
            "caption": [f"caption {position}" for position in range(n)],
            "wnid": ["n01440764"] * n,
            "attempt": pa.array([1] * n, pa.int32()),
        }
    )
    (folder / PLANNED).mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, shard_file(str(folder), PLANNED, shard))


def ledger(folder: Path, shard: int = 0) -> list[dict[str, Any]]:
    return pq.read_table(shard_file(str(folder), LEDGER, shard)).to_pylist()


def download(options: DownloadOptions, shards: int = 1, **arguments: Any) -> list[tuple[int, int]]:
    progress: list[tuple[int, int]] = []
    with ShardProcess(options) as process:
        for shard in range(shards):
            process.download(shard, lambda *counts: progress.append(counts), **arguments)
    return progress


def test_each_row_has_its_outcome_and_broken_images_leave_their_neighbours_alone(
    server: ImageServer, tmp_path: Path
) -> None:
    urls: list[str | None] = [f"{server.url}/{path}" for path in BEHAVIOURS]
    plan(tmp_path, urls)
    good = [url for path, url in zip(BEHAVIOURS, urls, strict=True) if path == "good"]
    plan(tmp_path, good, shard=1)
    progress = download(options(tmp_path), shards=2)
    rows = ledger(tmp_path)
    outcomes = [row["cause"] or row["status"] for row in rows]
    assert dict(zip(BEHAVIOURS, outcomes, strict=True)) == BEHAVIOURS
    assert [row["url"] for row in rows] == urls
    assert progress[-1][0] == 1
    assert max(rows_done for rows_done, _ in progress) == len(urls)
    beside, alone = (members(tmp_path / f"0000{shard}.tar") for shard in (0, 1))
    (key,) = (row["key"] for row in ledger(tmp_path, 1))
    assert beside[f"{rows[0]['key']}.jpg"] == alone[f"{key}.jpg"]
    assert not [*(tmp_path / "_incomplete").iterdir()]


def members(tar: Path) -> dict[str, bytes]:
    with tarfile.open(tar) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["webdataset", "files", "parquet"])
def test_formats_are_img2datasets_and_carry_the_uid(
    server: ImageServer, tmp_path: Path, format_: Any
) -> None:
    plan(tmp_path, [f"{server.url}/good", f"{server.url}/404"])
    download(options(tmp_path, format=format_))
    downloaded, failed = ledger(tmp_path)
    key = downloaded["key"]
    assert (failed["cause"], failed["http_status"], failed["key"]) == ("http", 404, None)
    assert min(downloaded["width"], downloaded["height"]) == 256
    if format_ == "parquet":
        by_uid = {row["uid"]: row for row in pq.read_table(tmp_path / "00000.parquet").to_pylist()}
        sample, image = by_uid[downloaded["uid"]], by_uid[downloaded["uid"]].pop("jpg")
        assert by_uid[failed["uid"]]["status"] == "failed_to_download"
    elif format_ == "files":
        folder = tmp_path / "00000"
        sample = json.loads((folder / f"{key}.json").read_text())
        image = (folder / f"{key}.jpg").read_bytes()
    else:
        files = members(tmp_path / "00000.tar")
        sample, image = json.loads(files[f"{key}.json"]), files[f"{key}.jpg"]
        assert files[f"{key}.txt"] == b"caption 0"
    assert (sample["uid"], sample["wnid"]) == (downloaded["uid"], "n01440764")
    assert sample["sha256"] == downloaded["sha256"]
    from PIL import Image

    assert Image.open(io.BytesIO(image)).size == (downloaded["width"], downloaded["height"])
    assert json.loads((tmp_path / "00000_stats.json").read_text())["successes"] == 1


# Python imports it at its start: OpenCV ends the process at images with these words, or hangs.
SITECUSTOMIZE = """
import cv2, os, time
imdecode = cv2.imdecode
def ending(content, flags):
    if b"ends its decoder" in content.tobytes():
        os.abort()
    if b"stalls its decoder" in content.tobytes():
        time.sleep(60)
    return imdecode(content, flags)
cv2.imdecode = ending
"""


@pytest.mark.slow
def test_images_that_end_their_decoder_are_told_apart_from_their_neighbours(
    server: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    paths = ["ends-decoder" if k % 2 else "good" for k in range(50)] + ["stalls-decoder", "png"]
    plan(tmp_path, [f"{server.url}/{path}?{k}" for k, path in enumerate(paths)])
    plan(tmp_path, [f"{server.url}/good"], shard=1)
    monkeypatch.syspath_prepend(tmp_path)
    download(options(tmp_path), shards=2)
    causes = [row["cause"] for row in ledger(tmp_path)]
    assert causes == [None, "decode"] * 25 + ["decode", None]
    # Once, and once more when the first had ended the process.
    assert len([path for path in server.seen if path.startswith("/ends-decoder")]) <= 50
    beside, alone = (members(tmp_path / f"0000{shard}.tar") for shard in (0, 1))
    key, (alone_key,) = ledger(tmp_path)[0]["key"], (row["key"] for row in ledger(tmp_path, 1))
    assert beside[f"{key}.jpg"] == alone[f"{alone_key}.jpg"]


@pytest.mark.slow
def test_a_row_that_ends_both_processes_is_left_out(
    server: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(tmp_path, [f"{server.url}/good?{number}" for number in range(3)])
    attempts: list[tuple[bool, list[int]]] = []
    attempt = ShardProcess._attempt

    def lost(self: ShardProcess, request: dict[str, Any], *rest: Any) -> None:
        attempts.append((request["decodes_apart"], request["skipped"]))
        attempt(self, request, *rest)
        if len(attempts) < 3:  # as if what comes after decoding had ended the process
            (tmp_path / LEDGER / "00000.parquet").unlink()
            Path(self._decoding).write_bytes((2).to_bytes(8, "little"))
            raise shard_process._LostError

    monkeypatch.setattr(ShardProcess, "_attempt", lost)
    download(options(tmp_path))
    assert attempts == [(False, []), (True, []), (True, [2])]
    assert [row["cause"] for row in ledger(tmp_path)] == [None, None, "decode"]


@pytest.mark.slow
def test_a_shard_that_does_not_end_is_told_as_failed(server: ImageServer, tmp_path: Path) -> None:
    plan(tmp_path, [f"{server.url}/never", f"{server.url}/good"])
    download(options(tmp_path), stall_s=1.0)
    assert [(row["status"], row["cause"]) for row in ledger(tmp_path)] == [("failed", "failed")] * 2
    assert not (tmp_path / "00000.tar").exists()


@pytest.mark.slow
def test_a_shard_that_is_done_is_not_downloaded_again(server: ImageServer, tmp_path: Path) -> None:
    plan(tmp_path, [f"{server.url}/good?once"])
    download(options(tmp_path))
    plan(tmp_path, [f"{server.url}/good?second"], shard=1)
    download(options(tmp_path), shards=2)
    assert server.seen.count("/good?once") == server.seen.count("/good?second") == 1


@pytest.mark.slow
def test_files_that_cannot_be_written_are_one_error(server: ImageServer, tmp_path: Path) -> None:
    plan(tmp_path, [f"{server.url}/good"])
    (tmp_path / "_incomplete").write_text("no folder")
    with pytest.raises(ShardError, match="_incomplete"):
        download(options(tmp_path))
    (tmp_path / "_incomplete").unlink()
    remove_incomplete(str(tmp_path))
    download(options(tmp_path))
    assert ledger(tmp_path)[0]["status"] == "downloaded"


def test_a_process_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(tmp_path, ["http://h/x"])
    monkeypatch.setattr(DownloadOptions, "as_json", lambda _: "{")
    with pytest.raises(ShardError, match=r"does not start: .*JSONDecodeError"):
        download(options(tmp_path))


@pytest.mark.slow
def test_the_process_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "udfs.images.shard_worker", str(writing)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(writing,))
    os.close(writing)
    assert process.stdin is not None
    beginning = {"options": options(tmp_path).as_json(), "stores": {}}
    process.stdin.write(json.dumps(beginning).encode() + b"\n")
    process.stdin.flush()
    with os.fdopen(reading) as answers:
        assert json.loads(answers.readline()) == {"ready": True}
        process.stdin.close()
        assert process.wait(timeout=10) == 0
