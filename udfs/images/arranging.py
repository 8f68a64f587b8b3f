"""Write images, byte for byte, as `<class>/<name>.<extension>`, in the tasks that have them."""

import json
import math
import os
import re
import uuid
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import file_system
from udfs.folder_names import folder_names
from udfs.images import samples
from udfs.images.image_formats import HEAD_BYTES, image_format
from udfs.images.samples import NO_IMAGE, file_name, text_field
from udfs.images.sources import samples_of, sources_in

Layout = Literal["laionet", "classes"]
NO_CLASS, NO_NAME = "no_class", "no_name"
CLASS, NAME, FOLDER, FILE, ENTRY, REASON = "class", "name", "folder", "file", "entry", "reason"
# Fields of a sample's record that unmet-promise's metadata.json has, beside the class.
FIELDS = (
    *("similarity", "caption", "url", "sha256"),
    *("original_width", "width", "height", "original_height"),
)
COLUMNS = pa.schema(
    [
        (samples.UID, pa.string()),
        (samples.KEY, pa.string()),
        (samples.POSITION, pa.int64()),
        (CLASS, pa.string()),
        (NAME, pa.string()),
        (FOLDER, pa.string()),
        (FILE, pa.string()),
        (ENTRY, pa.string()),
        (REASON, pa.string()),
    ]
)
_NUMBERED = re.compile(r"(?:.*/)?([0-9]{1,9})/([0-9]{1,18})", re.DOTALL)
_KEYS_PER_SHARD = 10**9
_ROWS = 1000  # of a batch, which has no images
_EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}


class Naming(NamedTuple):
    """Where class and name of an image come from.

    `class_column`, `name_column`: columns of the rows, else fields of their records. Without
    `name_column` the name is the uid; of the layout "classes" it is unmet-promise's number, shard *
    10^9 + key, where the key ends in two numbers, such as 00001/000000012.
    """

    layout: Layout
    class_column: str
    name_column: str | None = None


def write_images(folder: str, naming: Naming) -> BatchFunction:
    """The mapInArrow function that writes each image below `folder`; its output has COLUMNS.

    Input: uid and image; where they are there key, fault, extension, record, position, and class
    and name, which take the place of fields of the record. A row with a reason has no file. A
    repeated task writes the same again.
    """

    def write(batches: Batches) -> Iterator[pa.RecordBatch]:
        files = _Files(folder)
        for batch in batches:
            rows = filter(_is_sample, batch.to_pylist())
            yield _batch([_arranged(row, _record_of(row), naming, files) for row in rows])

    return write


def write_samples(folder: str, naming: Naming) -> BatchFunction:
    """The same for rows of sources (udfs.images.sources), whose images it reads itself.

    So their bytes stay in Python, and records are parsed once.
    """

    def write(batches: Batches) -> Iterator[pa.RecordBatch]:
        files, written = _Files(folder), []
        for source in sources_in(batches):
            for sample in samples_of(source):
                values, record = samples.checked_row(sample, "format")
                row = dict(zip(samples.COLUMNS.names, values, strict=True))
                if _is_sample(row):
                    written.append(_arranged(row, record or {}, naming, files))
                if len(written) == _ROWS:
                    yield _batch(written)
                    written = []
        yield _batch(written)

    return write


def _batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = [*zip(*rows, strict=True)] or [()] * len(COLUMNS)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, COLUMNS, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=COLUMNS)


def folder_of_class(name: str) -> str:
    """The folder of a class, from its name alone: one without collisions but in case."""
    return _safe(name)


@lru_cache(maxsize=100_000)
def _safe(text: str) -> str:
    return folder_names([text])[text]


def _is_sample(row: dict[str, Any]) -> bool:
    """Whether a row is of an image, not the number of a source's other files."""
    return row[samples.UID] is not None


def _record_of(row: dict[str, Any]) -> dict[str, Any]:
    text = row.get(samples.RECORD)
    return {} if text is None else json.loads(text)


def _arranged(
    row: dict[str, Any], record: dict[str, Any], naming: Naming, files: "_Files"
) -> tuple[Any, ...]:
    """Write the image of a row, unless something is amiss; the row of COLUMNS."""
    uid, key = row[samples.UID], row.get(samples.KEY)
    class_name = row[CLASS] if CLASS in row else text_field(record, naming.class_column)
    name = _name(row, record, naming)
    image = row[samples.IMAGE]
    reason = row.get(samples.FAULT) or _reason(image, class_name, name)
    position = row.get(samples.POSITION) or 0
    if reason is not None or class_name is None or name is None:
        return (uid, key, position, class_name, name, None, None, None, reason)
    folder = folder_of_class(class_name)
    file = f"{_safe(name)}.{_extension(row, image)}"
    files.write(folder, file, image)
    entry = {field: _json_value(record.get(field)) for field in FIELDS}
    text = json.dumps({naming.class_column: class_name, **entry})
    return (uid, key, position, class_name, name, folder, file, text, None)


def _reason(image: bytes | None, class_name: str | None, name: str | None) -> str | None:
    if not image:
        return NO_IMAGE
    if not class_name:
        return NO_CLASS
    return NO_NAME if not name else None


def _name(row: dict[str, Any], record: dict[str, Any], naming: Naming) -> str | None:
    if NAME in row:
        return row[NAME]  # type: ignore[no-any-return]
    if naming.name_column is not None:
        return text_field(record, naming.name_column)
    key = row.get(samples.KEY)
    if naming.layout == "classes" and key is not None:
        numbered = _NUMBERED.fullmatch(_without_extension(key))
        if numbered is not None:
            return str(int(numbered[1]) * _KEYS_PER_SHARD + int(numbered[2]))
    return row[samples.UID]  # type: ignore[no-any-return]


def _without_extension(key: str) -> str:
    name = file_name(key)
    return name.stem if name.kind == "image" else key


def _extension(row: dict[str, Any], image: bytes) -> str:
    """The extension of the file that was read, in lower case; by its content if that is unknown."""
    extension = row.get(samples.EXTENSION)
    if not extension:
        name = file_name(row.get(samples.KEY) or "")
        extension = name.extension if name.kind == "image" else None
    if extension:
        return str(extension).lower()
    kind = image_format(image[:HEAD_BYTES])
    return _EXTENSIONS[kind] if kind else "jpg"


def _json_value(value: Any) -> Any:
    """A value that JSON has: NaN, which img2dataset writes, becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _Files:
    """Files below a folder, each of which is whole when it is written, whoever writes it too."""

    def __init__(self, folder: str) -> None:
        self._system, self._path = file_system(folder)
        self._made: set[str] = set()
        is_local = isinstance(self._system, pafs.LocalFileSystem)
        self._put: Callable[[str, bytes], None] = self._create if is_local else self._upload

    def write(self, folder: str, name: str, content: bytes) -> None:
        path = f"{self._path}/{folder}"
        if folder not in self._made:
            self._system.create_dir(path, recursive=True)
            self._made.add(folder)
        self._put(f"{path}/{name}", content)

    def _create(self, path: str, content: bytes) -> None:
        """Another attempt of this task may be at the same file, or have been killed there."""
        try:
            with open(path, "xb") as file:
                file.write(content)
        except FileExistsError:
            self._replace(path, content)

    def _replace(self, path: str, content: bytes) -> None:
        temporary = f"{self._path}/.{uuid.uuid4().hex}"
        with open(temporary, "wb") as file:
            file.write(content)
        os.replace(temporary, path)

    def _upload(self, path: str, content: bytes) -> None:
        with self._system.open_output_stream(path) as stream:  # shown once it is closed
            stream.write(content)
