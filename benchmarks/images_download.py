"""download-images beside bare img2dataset, and a list of URLs on which servers misbehave.

    python -m benchmarks.images_download [FOLDER]

Images per second of wall time, both sides by turns from one server on loopback: `bare` is
img2dataset's own command, `shards` the same shards by our processes, `job` all of the command in a
session that stands. The hostile list has 1,000 URLs of 28 behaviours, of which 3 never end.
"""

import asyncio
import contextlib
import multiprocessing
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import report
from tests.image_server import BEHAVIOURS, ImageServer, photograph, running
from udfs.images.download_options import DownloadOptions
from udfs.images.fetch import FetchLimits
from udfs.images.shard_files import LEDGER, PLANNED, shard_file
from udfs.images.shard_threads import download_shards

N_IMAGES, ROWS_PER_SHARD, PROCESSES, THREADS, ROUNDS = 10_000, 2_000, 2, 32, 2
N_HOSTILE = 1_000
SIDES = {
    "bare": "img2dataset 1.47",
    "shards": "the shards alone, by our processes",
    "job": "`download-images` in a session that stands",
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    with _server() as url:
        pairs = _pairs(folder / "pairs.parquet", [f"{url}/{n}.jpg" for n in range(N_IMAGES)])
        _job(folder, pairs)  # warms the session
        for _ in range(ROUNDS):
            seconds["bare"].append(_bare(folder, pairs))
            seconds["shards"].append(_shards(folder, pairs))
            seconds["job"].append(_job(folder, pairs))
    hostile_s = _hostile(folder)
    best = {name: N_IMAGES / min(times) for name, times in seconds.items()}
    rows = [
        {"side": side, "images/s": round(best[name]), "beside bare": best[name] / best["bare"]}
        for name, side in SIDES.items()
    ]
    report("images_download", rows, folder, rounds=None, note=f"The best of {ROUNDS} rounds")
    hostile = {"URLs": N_HOSTILE, "behaviours": len(BEHAVIOURS), "s": hostile_s}
    report("images_hostile", [hostile], folder)


def _pairs(file: Path, urls: list[str]) -> Path:
    n = len(urls)
    table = {"uid": [f"{i:032x}" for i in range(n)], "caption": ["a caption"] * n, "url": urls}
    pq.write_table(pa.table(table), file)
    return file


def _bare(folder: Path, pairs: Path) -> float:
    output = _new(folder / "bare")
    options = {
        "url_list": pairs, "input_format": "parquet", "url_col": "url", "caption_col": "caption",
        "save_additional_columns": '["uid"]', "output_format": "webdataset", "image_size": 256,
        "resize_mode": "keep_ratio", "resize_only_if_bigger": True, "skip_reencode": True,
        "number_sample_per_shard": ROWS_PER_SHARD, "processes_count": PROCESSES,
        "thread_count": THREADS, "output_folder": output,
    }  # fmt: skip
    command = [sys.executable, "-m", "img2dataset.main"]
    started = time.perf_counter()
    arguments = [f"--{name}={value}" for name, value in options.items()]
    subprocess.run([*command, *arguments], check=True, capture_output=True)
    elapsed_s = time.perf_counter() - started
    assert sum(pq.read_metadata(file).num_rows for file in output.glob("*.parquet")) == N_IMAGES
    return elapsed_s


def _shards(folder: Path, pairs: Path) -> float:
    output = _new(folder / "shards")
    _plan(output, pq.read_table(pairs), ROWS_PER_SHARD)
    options = _options(output, THREADS, FetchLimits(allow_hosts=("127.0.0.1",)))
    started = time.perf_counter()
    download_shards(range(N_IMAGES // ROWS_PER_SHARD), options, n_processes=PROCESSES)
    return time.perf_counter() - started


def _job(folder: Path, pairs: Path) -> float:
    import captionlake as cl

    output = _new(folder / "job")
    started = time.perf_counter()
    result = cl.download_images(
        captions=f"parquet:{pairs}", output=f"{output}/images", rows_per_shard=ROWS_PER_SHARD,
        processes=PROCESSES, threads=THREADS, allow_hosts=["127.0.0.1"], quiet=True,
    )  # fmt: skip
    elapsed_s = time.perf_counter() - started
    assert result.counts["downloaded"] == N_IMAGES
    return elapsed_s


def _hostile(folder: Path) -> float:
    """Seconds until each URL has its outcome; that of a server in this process may be late."""
    output = _new(folder / "hostile")
    with running(ImageServer(canary="http://127.0.0.2:9/")) as server:
        paths = [*BEHAVIOURS] * (N_HOSTILE // len(BEHAVIOURS) + 1)
        urls = [f"{server.url}/{path}" for path in paths[:N_HOSTILE]]
        _plan(output, pq.read_table(_pairs(folder / "hostile.parquet", urls)), N_HOSTILE)
        limits = FetchLimits(allow_hosts=("127.0.0.1",), max_pixels=10**7)
        started = time.perf_counter()
        download_shards([0], _options(output, 256, limits), n_processes=1)
        elapsed_s = time.perf_counter() - started
    rows = pq.read_table(shard_file(str(output), LEDGER, 0)).to_pylist()
    outcomes = [row["cause"] or row["status"] for row in rows]
    others = Counter(
        (path, outcome)
        for path, outcome in zip(paths, outcomes, strict=False)
        if outcome != BEHAVIOURS[path]
    )
    print("hostile: rows", len(rows), "of another outcome:", dict(others))
    return round(elapsed_s, 1)


def _plan(output: Path, rows: pa.Table, rows_per_shard: int) -> None:
    (output / PLANNED).mkdir()
    rows = rows.append_column("attempt", pa.array([1] * rows.num_rows, pa.int32()))
    for shard, start in enumerate(range(0, rows.num_rows, rows_per_shard)):
        pq.write_table(rows.slice(start, rows_per_shard), shard_file(str(output), PLANNED, shard))


def _options(output: Path, threads: int, limits: FetchLimits) -> DownloadOptions:
    return DownloadOptions(
        str(output), rows_per_shard=ROWS_PER_SHARD, threads=threads,
        limits=limits,
    )  # fmt: skip


def _new(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class _OneImage(asyncio.Protocol):
    """Answers each request with one photograph, in a process of its own: fast enough for both."""

    image = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, _data: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.image)}\r\nConnection: close\r\n\r\n"
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(head.encode() + self.image)
        self.transport.close()


def _serve(port: "multiprocessing.Queue[int]", image: bytes) -> None:
    async def serve() -> None:
        _OneImage.image = image
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_OneImage, "127.0.0.1", 0, backlog=1024)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@contextlib.contextmanager
def _server() -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    port: multiprocessing.Queue[int] = context.Queue()
    process = context.Process(target=_serve, args=(port, photograph()), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port.get()}"
    finally:
        process.terminate()
        process.join()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench"))
