"""Read images from shards, parquet files and loose files, in tasks that get the files' paths."""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal, NamedTuple, cast

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import file_system
from udfs.images.decoding import TOO_LARGE
from udfs.images.samples import (
    KEY,
    MOST_IMAGE_BYTES,
    MOST_RECORD_BYTES,
    Checks,
    Sample,
    file_name,
    rows_of,
)
from udfs.images.tar_samples import tar_samples
from udfs.opened_files import shown_path
from udfs.task_errors import TaskInputError

Kind = Literal["tar", "parquet", "files"]
# Columns of what is read: a row per shard, per parquet file, or per group of loose files.
KIND, NAMES, PATHS, RECORDS = "kind", "names", "paths", "records"
_SHARD_ENDINGS = (".tar", ".tar.gz", ".tgz")
# Columns of parquet that hold encoded images: img2dataset names them by its encode_format.
IMAGE_COLUMNS = ("jpg", "png", "webp", "image", "img")
_ROWS_OF_PARQUET = 64


class Source(NamedTuple):
    """Files that one task reads: a shard, a parquet file, or loose files with their records.

    `names`: relative to the input. `records`: path of each file's JSON, None without one.
    """

    kind: Kind
    names: list[str]
    paths: list[str]
    records: list[str | None]


def read_sources(checks: Checks) -> BatchFunction:
    """The mapInArrow function from rows of sources to batches of samples.COLUMNS."""

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for source in sources_in(batches):
            yield from rows_of(samples_of(source), checks)

    return read


def sources_in(batches: Batches) -> Iterator[Source]:
    """The sources of rows."""
    for batch in batches:
        for row in batch.to_pylist():
            yield Source(**row)


def samples_of(source: Source) -> Iterator[Sample]:
    """The samples of a source; TaskInputError, naming the file, if it cannot be opened or read."""
    path = source.paths[0]
    try:
        if source.kind == "tar":
            yield from tar_samples(lambda: open_binary(path), shard_name(source.names[0]))
        elif source.kind == "parquet":
            yield from _parquet_samples(path, file_name(source.names[0]).stem)
        else:
            yield from _loose_samples(source)
    except OSError as fault:
        raise TaskInputError(f"{shown_path(path)}: cannot be read ({fault})") from None


def shard_name(name: str) -> str:
    """The name of a shard without its ending, with which its samples' keys begin."""
    ending = next((end for end in _SHARD_ENDINGS if name.lower().endswith(end)), "")
    return name[: len(name) - len(ending)]


def is_shard(name: str) -> bool:
    """Whether a file is called as shards are."""
    return name.lower().endswith(_SHARD_ENDINGS)


def open_binary(path: str) -> BinaryIO:
    """Open a file of a local disk or of a store, to be read from its beginning."""
    system, system_path = file_system(path)
    if isinstance(system, pafs.LocalFileSystem):
        return open(system_path, "rb")
    return cast(BinaryIO, io.BufferedReader(system.open_input_file(system_path), 1 << 20))


def _loose_samples(source: Source) -> Iterator[Sample]:
    for position, (name, path, record) in enumerate(
        zip(source.names, source.paths, source.records, strict=True)
    ):
        image = _content(path, MOST_IMAGE_BYTES)
        parts = file_name(name)
        yield Sample(
            *(parts.stem, parts.extension, image),
            record=None if record is None else _content(record, MOST_RECORD_BYTES) or b"",
            fault=TOO_LARGE if image is None else None,
            position=position,
        )


def _content(path: str, most_bytes: int) -> bytes | None:
    """The content of a file; None if it has more bytes."""
    with open_binary(path) as file:
        content = file.read(most_bytes + 1)
    return content if len(content) <= most_bytes else None


def _parquet_samples(path: str, name: str) -> Iterator[Sample]:
    """A sample a row of img2dataset's parquet, also of those whose download failed.

    A file without a column of images, such as the metadata beside a shard, counts as another file.
    """
    fault = None
    try:
        with open_binary(path) as file:
            yield from _rows_of_parquet(pq.ParquetFile(file), name)
    except pa.ArrowInvalid:
        fault = "parquet_broken"
    if fault is not None:
        yield Sample(name, "", None, fault=fault, position=-1)


def _rows_of_parquet(file: pq.ParquetFile, name: str) -> Iterator[Sample]:
    column = image_column(file.schema_arrow)
    if column is None:
        yield Sample(name, "", None, others=1)
        return
    position = 0
    for batch in file.iter_batches(_ROWS_OF_PARQUET):
        for row in batch.to_pylist():
            image, name_of_image = _bytes_and_name(row.pop(column))
            key = row.get(KEY)
            stem = f"{name}/{key if isinstance(key, str) and key else position}"
            is_large = image is not None and len(image) > MOST_IMAGE_BYTES
            yield Sample(
                *(stem, _extension(column, name_of_image), None if is_large else image),
                record=_as_json(row),
                fault=TOO_LARGE if is_large else None,
                position=position,
            )
            position += 1


def image_column(schema: pa.Schema) -> str | None:
    """The column of encoded images; None if there is none.

    It holds bytes, or structs of `bytes` and `path`, as Hugging Face's datasets writes them.
    """
    for name in IMAGE_COLUMNS:
        places = schema.get_all_field_indices(name)
        column = schema.field(places[0]).type if places else pa.null()
        if pa.types.is_struct(column) and column.get_field_index("bytes") >= 0:
            column = column.field("bytes").type
        if pa.types.is_binary(column) or pa.types.is_large_binary(column):
            return name
    return None


def _bytes_and_name(value: Any) -> tuple[bytes | None, str]:
    """An encoded image and its file's name, which only structs have."""
    if isinstance(value, dict):
        return value["bytes"], value.get("path") or ""
    return value, ""


def _extension(column: str, name: str) -> str:
    """The extension of an image by its file's name, else by the column's."""
    parts = file_name(name)
    if parts.kind == "image":
        return parts.extension
    return "jpg" if column in ("image", "img") else column


def _as_json(row: Mapping[str, Any]) -> bytes:
    """The other columns of a row as JSON; values that JSON has not, as text."""
    return json.dumps(dict(row), default=str).encode()
