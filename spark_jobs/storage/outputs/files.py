"""Single output files, such as a report: check, write atomically, and mark as written by a run."""

import hashlib
from collections.abc import Iterable
from typing import Any

import pyarrow.fs as pafs

from spark_jobs.core.errors import CurationError, OutputTableError, UnwritableOutputError
from spark_jobs.storage.outputs.folder_marks import read_file_mark, write_file_mark
from spark_jobs.storage.outputs.staging import locked, remove_abandoned, staging_name
from udfs.file_systems import file_system

_CONTENTS = "contents"  # key in a mark: digests of the contents that runs wrote to the file
_BLOCK_BYTES = 1 << 20


def check_file(location: str) -> None:
    """Raise OutputTableError for a file that no run of ours wrote, or that was changed since.

    An absent or empty file is fine. Raises UnwritableOutputError if it cannot be looked up.
    """
    try:
        system, path = file_system(location)
        info = system.get_file_info(path)
        has_mark = info.is_file and info.size > 0 and bool(_marked_digests(location))
        is_ours = has_mark and _digest(system, path) in _marked_digests(location)
    except (OSError, ValueError) as fault:
        raise _write_error(location, fault) from None
    if info.type not in (pafs.FileType.File, pafs.FileType.NotFound):
        raise OutputTableError(f"output {location} is a folder, expected a file; name another")
    if info.is_file and info.size > 0 and not is_ours:
        raise OutputTableError(
            f"output {location} is a file that no run of captionlake wrote, or that was changed "
            "since; give another name or remove it"
        )


def write_output_file(location: str, parts: Iterable[bytes]) -> None:
    """Write a file part by part, under its name only once it is complete.

    Its mark, a hidden file beside it, has the digest of its content. Raises OutputTableError, with
    nothing changed, if `check_file` does.
    """
    check_file(location)
    try:
        system, path = file_system(location)
        folder, _, name = path.rpartition("/")
        system.create_dir(folder, recursive=True)
        remove_abandoned(system, folder, name)
        staged_file = f"{folder}/{staging_name(name)}"
        try:
            digest = _write(system, staged_file, parts)
            # Mark both digests until the move is done: a crash may leave either content.
            mark_contents(location, [*_marked_digests(location), digest])
            _move(system, staged_file, path)
            mark_contents(location, [digest])
        finally:
            _remove(system, staged_file)
    except CurationError:  # raised by the iterable of parts
        raise
    except (OSError, ValueError) as fault:
        raise _write_error(location, fault) from None


def mark_contents(location: str, digests: list[str]) -> None:
    """Set the content digests in a file's mark; its fields about the run stay."""
    write_file_mark(location, {**(read_file_mark(location) or {}), _CONTENTS: digests})


def mark_run(location: str, metadata: dict[str, Any]) -> None:
    """Set the metadata of the run in a file's mark; the content digests stay."""
    write_file_mark(location, {**metadata, _CONTENTS: _marked_digests(location)})


def _write(system: pafs.FileSystem, path: str, parts: Iterable[bytes]) -> str:
    """Write parts and return the digest of the whole content."""
    digest = hashlib.sha256()
    with system.open_output_stream(path) as stream, locked(system, path):
        for part in parts:
            digest.update(part)
            stream.write(part)
    return digest.hexdigest()


def _move(system: pafs.FileSystem, source: str, path: str) -> None:
    system.move(source, path)


def _remove(system: pafs.FileSystem, path: str) -> None:
    if system.get_file_info(path).is_file:
        system.delete_file(path)


def _marked_digests(location: str) -> list[str]:
    digests = (read_file_mark(location) or {}).get(_CONTENTS)
    return digests if isinstance(digests, list) else []


def _digest(system: pafs.FileSystem, path: str) -> str:
    digest = hashlib.sha256()
    with system.open_input_stream(path, compression=None) as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _write_error(location: str, fault: Exception) -> OutputTableError:
    why = " ".join(str(fault).split())
    return UnwritableOutputError(f"output {location}: cannot be written ({why})")
