"""Open snapshots, plain parquet files of one version of a table, and hold them to the manifest."""

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from numpy.typing import NDArray

from udfs.file_systems import file_system
from udfs.opened_files import shown_path
from udfs.training.faults import SnapshotError
from udfs.training.manifest import (
    MANIFEST,
    Manifest,
    SnapshotFile,
    parse_manifest,
    read_footer,
    schema_digest,
)

Check = Literal["sizes", "digests"]
_BLOCK_BYTES = 1 << 20
_REMEDY = "it was changed after it was made: make it again (export-snapshot)"


@dataclass(frozen=True)
class Snapshot:
    """A folder of parquet files with a manifest; `location` is its path or address."""

    location: str
    manifest: Manifest

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.manifest.rows

    @property
    def version(self) -> str:
        """The version of the table that it was made of."""
        return self.manifest.version

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [*self.manifest.columns]

    @cached_property
    def schema(self) -> pa.Schema:
        """Arrow's schema, as the first file has it."""
        with self.open(self.manifest.files[0]) as file:
            return file.schema_arrow

    @cached_property
    def row_groups(self) -> "RowGroups":
        """All row groups, in the order of the files."""
        files = self.manifest.files
        return RowGroups(
            np.repeat(np.arange(len(files)), [len(file.row_groups) for file in files]),
            _joined([np.arange(len(file.row_groups)) for file in files]),
            _joined([np.array(file.row_groups, np.int64) for file in files]),
            _joined([np.array(file.row_group_bytes, np.int64) for file in files]),
        )

    def path(self, file: SnapshotFile) -> str:
        """The path or address of a file."""
        return f"{self.location.rstrip('/')}/{file.name}"

    def open(self, file: SnapshotFile) -> pq.ParquetFile:
        """Open a file whose footer is that of the manifest; SnapshotError otherwise."""
        path = self.path(file)
        try:
            system, system_path = file_system(path)
            stream = system.open_input_file(system_path)
            footer = read_footer(stream, stream.size())
            if stream.size() == file.bytes and footer.sha256 == file.footer_sha256:
                opened = pq.ParquetFile(stream, metadata=footer.metadata)
                if schema_digest(opened.schema_arrow) == self.manifest.schema_digest:
                    return opened
        except FileNotFoundError:
            raise SnapshotError(f"{shown_path(path)}: is missing; {_REMEDY}") from None
        except (OSError, ValueError) as fault:
            raise SnapshotError(
                f"{shown_path(path)}: cannot be read ({_one_line(fault)}); {_REMEDY}"
            ) from None
        raise SnapshotError(f"{shown_path(path)}: is not the file of the manifest; {_REMEDY}")

    def chosen_columns(self, columns: list[str] | None) -> list[str]:
        """The columns to read, by default all; SnapshotError for one that is not there."""
        if columns is not None and not columns:
            raise SnapshotError("columns: none, expected at least one")
        for name in columns or ():
            if name not in self.manifest.columns:
                raise SnapshotError(
                    f"{shown_path(self.location)}: no column {name!r}; it has "
                    f"{', '.join(self.columns)}"
                )
        return self.columns if columns is None else [*columns]


@dataclass(frozen=True)
class RowGroups:
    """Row groups, each array of shape (n,): file, number in its file, rows, decoded bytes."""

    file: NDArray[np.int64]
    number: NDArray[np.int64]
    rows: NDArray[np.int64]
    bytes: NDArray[np.int64]


def open_snapshot(location: str, *, check: Check = "sizes") -> Snapshot:
    """The snapshot at a path or address, after holding its files against the manifest.

    `check`: sizes of all files, or `digests`, which reads them once. The footer of a file is
    checked whenever it is opened. Raises SnapshotError, in one line, for files that are missing or
    were changed, and for a folder that is no snapshot, such as a table of Delta.
    """
    if check not in ("sizes", "digests"):
        raise SnapshotError(f"check: {check!r}, expected sizes or digests")
    location = str(location)
    if "://" not in location and not location.startswith(("/", "file:", "dbfs:")):
        location = os.path.abspath(location)
    snapshot = Snapshot(location, parse_manifest(_manifest_of(location), shown_path(location)))
    _check_sizes(snapshot)
    if check == "digests":
        for file in snapshot.manifest.files:
            if _digest(snapshot.path(file)) != file.sha256:
                path = shown_path(snapshot.path(file))
                raise SnapshotError(f"{path}: is not the file of the manifest; {_REMEDY}")
    return snapshot


def _manifest_of(location: str) -> bytes:
    try:
        system, path = file_system(f"{location.rstrip('/')}/{MANIFEST}")
        with system.open_input_stream(path, compression=None) as stream:
            return bytes(stream.read())
    except FileNotFoundError:
        raise SnapshotError(
            f"{shown_path(location)}: is no snapshot, which has a {MANIFEST}; make one of a table "
            "by export-snapshot"
        ) from None
    except (OSError, ValueError) as fault:
        raise SnapshotError(
            f"{shown_path(location)}: cannot be read ({_one_line(fault)})"
        ) from None


def _check_sizes(snapshot: Snapshot) -> None:
    files = snapshot.manifest.files
    paths = [snapshot.path(file) for file in files]
    system, _ = file_system(snapshot.location)
    infos: list[Any] = system.get_file_info([file_system(path)[1] for path in paths])
    for file, path, info in zip(files, paths, infos, strict=True):
        if info.type != pafs.FileType.File:
            raise SnapshotError(f"{shown_path(path)}: is missing; {_REMEDY}")
        if info.size != file.bytes:
            raise SnapshotError(
                f"{shown_path(path)}: has {info.size:,} bytes, expected {file.bytes:,}; {_REMEDY}"
            )


def _digest(location: str) -> str:
    digest = hashlib.sha256()
    system, path = file_system(location)
    with system.open_input_stream(path, compression=None) as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _one_line(fault: Exception) -> str:
    return " ".join(str(fault).split())
