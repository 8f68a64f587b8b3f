"""Download one shard by img2dataset's Downloader, resizer and writers, with our own fetcher."""

import io
import math
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa

from udfs.images.decoder_process import NOT_DECODED, DecoderProcess, img2dataset_resizer
from udfs.images.download_options import DownloadOptions
from udfs.images.fetch import Cause, Fetcher, FetchError
from udfs.images.shard_files import (
    DOWNLOADED,
    FAILED,
    NO_ROW,
    SHARD_DIGITS,
    incomplete_shard,
    read_shard,
    write_ledger,
)

_WRITERS = {
    "webdataset": "WebDatasetSampleWriter",
    "files": "FilesSampleWriter",
    "parquet": "ParquetSampleWriter",
}
_MOST_WAITING_BYTES = 256_000_000
# Of img2dataset's messages, and ours, about images that were fetched; all others mean `decode`.
_CAUSES: dict[str, Cause] = {
    "image too small": "filtered",
    "image area too large": "filtered",
    "aspect ratio too large": "filtered",
    NOT_DECODED: "failed",
}


class _Outcome(NamedTuple):
    """What became of the fetch of a row."""

    n_bytes: int | None = None
    cause: Cause | None = None
    http_status: int | None = None


class _Image(io.BytesIO):
    """A fetched image that knows its row's position in the shard."""

    def __init__(self, image: bytes, position: int) -> None:
        super().__init__(image)
        self.position = position


@dataclass
class ShardDownload:
    """The download of one shard.

    `decodes_apart`: by a DecoderProcess. `skipped`: positions of rows that ended this process even
    so, which are told as `decode`.
    `on_decoding` gets a row's position before its image is decoded, and NO_ROW after; `on_row` the
    bytes that a row's fetch had, when it has ended.
    """

    shard: int
    options: DownloadOptions
    fetcher: Fetcher
    decodes_apart: bool
    skipped: Collection[int]
    on_decoding: Callable[[int], None]
    on_row: Callable[[int], None]

    def __post_init__(self) -> None:
        self._budget = _Budget(_MOST_WAITING_BYTES)
        self._outcomes: dict[int, _Outcome] = {}
        self._ledger: dict[int, dict[str, Any]] = {}
        self._fault: OSError | None = None
        self._resizer: Any = None
        self._digits = math.ceil(math.log10(self.options.rows_per_shard))

    def run(self) -> None:
        """Write the shard's files; OSError if they cannot be written."""
        options = self.options
        planned = read_shard(options.folder, self.shard)
        if planned.num_rows > 10**self._digits:
            raise ValueError(f"shard {self.shard} has {planned.num_rows:,} rows: keys would repeat")
        self._rows = planned.select(["uid", "url", "attempt"]).to_pylist()
        # Of the time when it was planned: a later run's captions may have other columns.
        columns = [name for name in planned.column_names if name not in ("attempt", "url")]
        columns.append("url")
        with (
            tempfile.TemporaryDirectory(prefix="captionlake-") as temporary,
            incomplete_shard(options.folder, self.shard) as work,
        ):
            rows_file = f"{temporary}/rows.arrow"  # which img2dataset deletes at the end
            rows = planned.select(columns)
            with pa.OSFile(rows_file, "wb") as sink, pa.ipc.new_file(sink, rows.schema) as file:
                file.write_table(rows)
            with self._decoding(), _fetching_by(self._fetch):
                self._downloader(columns, str(work)).download_shard((self.shard, rows_file))
            if self._fault is not None:
                raise self._fault
            ledger = [self._ledger.get(n) or self._lost(n) for n in range(planned.num_rows)]
            write_ledger(work, self.shard, ledger)

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        if not self.decodes_apart:
            self._resizer = img2dataset_resizer(self.options)
            yield
            return
        self._resizer = decoder = DecoderProcess(self.options)
        try:
            yield
        finally:
            decoder.end()

    def _downloader(self, columns: list[str], folder: str) -> Any:
        from img2dataset.downloader import Downloader

        options = self.options

        def resized(image: _Image, _boxes: Any = None) -> Any:
            self._budget.give_back(image.getbuffer().nbytes)
            self.on_decoding(image.position)
            return self._resizer(image)

        return Downloader(
            sample_writer_class=partial(_Writer, self),
            resizer=resized,
            thread_count=options.threads,
            save_caption="caption" in columns,
            extract_exif=options.exif,
            output_folder=folder,
            column_list=columns,
            timeout=options.limits.timeout_s,
            number_sample_per_shard=options.rows_per_shard,
            oom_shard_count=SHARD_DIGITS,
            compute_hash="sha256",
            verify_hash_type=None,
            encode_format=options.encode_format,
            retries=0,
            user_agent_token=options.limits.agent,
            disallowed_header_directives=options.limits.disallowing,
        )

    def _fetch(self, row: tuple[int, str | None], **_: object) -> tuple[int, Any, str | None]:
        """In place of img2dataset's function: (position, the image as a file, or why not)."""
        position, url = row
        try:
            if position in self.skipped:
                raise FetchError("decode", "its decoder ended the process")
            image = self.fetcher.fetch(url)
        except FetchError as fault:
            self._outcomes[position] = _Outcome(None, fault.cause, fault.status)
            self.on_row(0)
            return position, None, str(fault)
        self._budget.take(len(image))
        self._outcomes[position] = _Outcome(len(image))
        self.on_row(len(image))
        return position, _Image(image, position), None

    def record(self, facts: dict[str, Any]) -> None:
        """Add a row that img2dataset has dealt with to the ledger; `facts`: its columns of it."""
        position = self._position(facts)
        outcome, message = self._outcomes[position], facts["error_message"]
        cause = outcome.cause
        if cause is None and message is not None:
            cause = _CAUSES.get(message, "decode")
        self._ledger[position] = {
            **self._rows[position],
            "status": DOWNLOADED if cause is None else FAILED,
            "cause": cause,
            "http_status": outcome.http_status,
            "message": None if message is None else message[:200],
            "width": facts["width"],
            "height": facts["height"],
            "sha256": facts["sha256"],
            "bytes": outcome.n_bytes,
            "shard": self.shard,
            "key": facts["key"] if cause is None else None,
        }

    def record_unwritten(self, facts: dict[str, Any], fault: Exception) -> None:
        """Note that a row's files could not be written: for its columns, or any files at all.

        img2dataset itself prints the fault, goes on at the next row, and tells nobody.
        """
        if isinstance(fault, OSError):
            self._fault = self._fault or fault
        position = self._position(facts)
        self._ledger[position] = self._lost(position, f"not written: {type(fault).__name__}")

    def _position(self, facts: dict[str, Any]) -> int:
        return int(facts["key"]) - self.shard * int(10**self._digits)

    def _lost(self, position: int, message: str = "img2dataset left it out") -> dict[str, Any]:
        facts = {"status": FAILED, "cause": "failed", "message": message, "shard": self.shard}
        return {**self._rows[position], **facts}


class _Budget:
    """Bytes of fetched images that wait for the decoder, of which img2dataset bounds the number."""

    def __init__(self, most: int) -> None:
        self._most, self._taken = most, 0
        self._changed = threading.Condition()

    def take(self, n_bytes: int) -> None:
        """Wait until there is room; an image larger than all of it waits until it is alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + n_bytes <= self._most)
            self._taken += n_bytes

    def give_back(self, n_bytes: int) -> None:
        with self._changed:
            self._taken -= n_bytes
            self._changed.notify_all()


@contextmanager
def _fetching_by(fetch: Callable[..., Any]) -> Iterator[None]:
    """Make img2dataset's Downloader fetch by another function than its own, which it has no way to.

    Only in a process that downloads nothing else meanwhile.
    """
    from img2dataset import downloader

    own = downloader.download_image_with_retry
    downloader.download_image_with_retry = fetch
    try:
        yield
    finally:
        downloader.download_image_with_retry = own


class _Writer:
    """img2dataset's writer of a shard, which also records each row in the ledger."""

    def __init__(self, download: ShardDownload, *arguments: Any) -> None:
        from img2dataset import writer

        self._download = download
        self._writer = getattr(writer, _WRITERS[download.options.format])(*arguments)

    def write(
        self, image: bytes | None, key: str, caption: str | None, facts: dict[str, Any]
    ) -> None:
        """Write one image, or only its row if it has none."""
        self._download.on_decoding(NO_ROW)
        try:
            self._writer.write(image, key, caption, facts)
        except Exception as fault:
            self._download.record_unwritten(facts, fault)
        else:
            self._download.record(facts)

    def close(self) -> None:
        """Write what is buffered."""
        self._writer.close()
