"""Samples of image files: an encoded image, its key and uid, and its record of metadata."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from udfs.images.decoding import FORMAT, TOO_LARGE, ImageError, image_size
from udfs.images.image_formats import HEAD_BYTES, image_format

# What is looked at: the first bytes; the header with the size; or all pixels, by decoding them.
Checks = Literal["format", "header", "pixels"]
IMAGE_EXTENSIONS = frozenset(
    {
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff"),
        *("avif", "heic", "heif", "jp2", "ppm", "pgm"),
    }
)
RECORD_EXTENSION = "json"
MOST_IMAGE_BYTES = 128 << 20  # larger ones are not read
MOST_RECORD_BYTES = 1 << 20
NO_IMAGE, BROKEN_RECORD = "no_image", "json_broken"
UID, KEY, IMAGE, WIDTH, HEIGHT, SHA256, FAULT = (
    *("uid", "key", "image", "width", "height", "sha256", "fault"),
)
EXTENSION, RECORD, POSITION, OTHERS = "extension", "record", "position", "others"
COLUMNS = pa.schema(
    [
        (UID, pa.string()),
        (KEY, pa.string()),
        (IMAGE, pa.binary()),
        (WIDTH, pa.int32()),
        (HEIGHT, pa.int32()),
        (SHA256, pa.string()),
        (FAULT, pa.string()),
        (EXTENSION, pa.string()),
        (RECORD, pa.string()),
        (POSITION, pa.int64()),
        (OTHERS, pa.int64()),
    ]
)
_MOST_ROWS, _MOST_BYTES = 64, 32 << 20  # of a batch: images are large


class Sample(NamedTuple):
    """An image file as it was found, not looked at.

    `stem`: the name without extension, in its source. `record`: the bytes of its JSON.
    `position`: number in its source, which tells samples of one name. `others`: of a row that is
    no sample, the number of files in the source that are neither images nor their records.
    """

    stem: str
    extension: str
    image: bytes | None
    record: bytes | None = None
    fault: str | None = None
    position: int = 0
    others: int = 0


class FileName(NamedTuple):
    """A path: what stands before the last dot, what follows it, and what kind of file that is."""

    stem: str
    extension: str
    kind: Literal["image", "record", "other"]


@lru_cache(maxsize=64)
def file_name(name: str) -> FileName:
    """The parts of a path. Hidden files, and macOS' files of attributes, are of kind other."""
    folder, slash, base = name.rpartition("/")
    stem, dot, extension = base.rpartition(".")
    if not (dot and stem):
        return FileName(name, "", "other")
    kind: Literal["image", "record", "other"] = "other"
    if not base.startswith(".") and "__MACOSX" not in folder.split("/"):
        suffix = extension.lower()
        if suffix in IMAGE_EXTENSIONS:
            kind = "image"
        elif suffix == RECORD_EXTENSION:
            kind = "record"
    return FileName(f"{folder}{slash}{stem}", extension, kind)


def rows_of(samples: Iterable[Sample], checks: Checks) -> Iterator[pa.RecordBatch]:
    """Batches of COLUMNS of up to 64 rows and about 32 MB."""
    rows: list[tuple[Any, ...]] = []
    n_bytes = 0
    for sample in samples:
        rows.append(checked_row(sample, checks)[0])
        n_bytes += len(sample.image or b"")
        if len(rows) == _MOST_ROWS or n_bytes >= _MOST_BYTES:
            yield _batch(rows)
            rows, n_bytes = [], 0
    if rows:
        yield _batch(rows)


def _batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = (
        pa.array(values, field.type)
        for values, field in zip(zip(*rows, strict=True), COLUMNS, strict=True)
    )
    return pa.RecordBatch.from_arrays([*columns], schema=COLUMNS)


def checked_row(sample: Sample, checks: Checks) -> tuple[tuple[Any, ...], dict[str, Any] | None]:
    """(the row of a sample, its record); with a fault the row has no image."""
    if sample.others:
        return (*(None,) * (len(COLUMNS) - 1), sample.others), None
    record = None if sample.record is None else parse_record(sample.record)
    has_record = sample.record is not None
    extension = "" if has_record or not sample.extension else f".{sample.extension}"
    key = text_of_bytes(f"{sample.stem}{extension}")
    fault = sample.fault or (BROKEN_RECORD if has_record and record is None else None)
    width = height = digest = None
    if sample.image is not None:
        digest = hashlib.sha256(sample.image).hexdigest() if checks != "format" else None
        if fault is None:
            try:
                width, height = checked_size(sample.image, checks)
            except ImageError as error:
                fault = error.reason
    elif fault is None:
        fault = NO_IMAGE
    row = (
        record_uid(record) or uid_of_key(key),
        key,
        sample.image if fault is None else None,
        *(width, height, digest, fault, text_of_bytes(sample.extension)),
        sample.record.decode() if sample.record is not None and record is not None else None,
        *(sample.position, 0),
    )
    return row, record


def checked_size(image: bytes, checks: Checks) -> tuple[int | None, int | None]:
    """(width, height), which checks of the format alone do not tell; ImageError if refused."""
    if len(image) > MOST_IMAGE_BYTES:
        raise ImageError(TOO_LARGE)
    if checks == "format":
        if image_format(image[:HEAD_BYTES]) is None:
            raise ImageError(FORMAT)
        return None, None
    return image_size(image, decode=checks == "pixels")


def parse_record(content: bytes) -> dict[str, Any] | None:
    """The JSON object of a sample; None if it is none, or holds what is no Unicode text."""
    try:
        record = json.loads(content)
        if b"\\ud" in content.lower():  # an escape of a surrogate, half of which has no UTF-8
            json.dumps(record, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def record_uid(record: dict[str, Any] | None) -> str | None:
    """The uid that a record has, as text; None without one."""
    return text_field(record or {}, UID)


def text_field(record: dict[str, Any], name: str) -> str | None:
    """A text or whole number of a record, as text; None for anything else, and for no text."""
    value = record.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def uid_of_key(key: str) -> str:
    """32 hex digits: the MD5 of the key."""
    return hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()


def text_of_bytes(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 as backslash escapes."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
