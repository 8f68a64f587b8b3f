"""Single files of a run, such as a report: which may be replaced, written whole, marked as ours."""

import hashlib
from collections.abc import Iterable
from typing import Any

import pyarrow.fs as pafs

from spark_jobs.core.errors import CurationError, OutputTableError
from spark_jobs.storage.outputs.folder_marks import read_file_mark, write_file_mark
from spark_jobs.storage.outputs.staging import locked, remove_abandoned, staging_name
from udfs.json_files import file_system

_CONTENTS = "contents"  # in a mark: digests of what a run has written under the file's name
_BLOCK = 1 << 20


def check_file(location: str) -> None:
    """Refuse a file that no run of ours wrote, or that was changed since: OutputTableError.

    One that is not there or empty is fine.
    """
    try:
        system, path = file_system(location)
        info = system.get_file_info(path)
        may_be_ours = info.is_file and info.size > 0 and bool(_contents(location))
        is_ours = may_be_ours and _digest(system, path) in _contents(location)
    except (OSError, ValueError) as fault:
        raise _cannot_be_written(location, fault) from None
    if info.type not in (pafs.FileType.File, pafs.FileType.NotFound):
        raise OutputTableError(f"output {location} is a folder, expected a file; name another")
    if info.is_file and info.size > 0 and not is_ours:
        raise OutputTableError(
            f"output {location} is a file that no run of captionlake wrote, or that was changed "
            "since; give another name or remove it"
        )


def write_output_file(location: str, parts: Iterable[bytes]) -> None:
    """Write a file as its parts come, in its place once it is whole.

    Its mark, hidden beside it, has the digest of its content. Raises OutputTableError, with nothing
    changed, where `check_file` does.
    """
    check_file(location)
    try:
        system, path = file_system(location)
        folder, _, name = path.rpartition("/")
        system.create_dir(folder, recursive=True)
        remove_abandoned(system, folder, name)
        beside = f"{folder}/{staging_name(name)}"
        try:
            digest = _write(system, beside, parts)
            # Both digests, until it is sure which of the two contents stands there.
            mark_contents(location, [*_contents(location), digest])
            _move(system, beside, path)
            mark_contents(location, [digest])
        finally:
            _remove(system, beside)
    except CurationError:  # of what makes the parts
        raise
    except (OSError, ValueError) as fault:
        raise _cannot_be_written(location, fault) from None


def mark_contents(location: str, digests: list[str]) -> None:
    """Say beside a file which contents are ours; what its mark says of the run stays."""
    write_file_mark(location, {**(read_file_mark(location) or {}), _CONTENTS: digests})


def mark_run(location: str, commit: dict[str, Any]) -> None:
    """Say beside a file which run wrote it; the digest of its content stays."""
    write_file_mark(location, {**commit, _CONTENTS: _contents(location)})


def _write(system: pafs.FileSystem, path: str, parts: Iterable[bytes]) -> str:
    """Write parts and give the digest of them all."""
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


def _contents(location: str) -> list[str]:
    digests = (read_file_mark(location) or {}).get(_CONTENTS)
    return digests if isinstance(digests, list) else []


def _digest(system: pafs.FileSystem, path: str) -> str:
    digest = hashlib.sha256()
    with system.open_input_stream(path, compression=None) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _cannot_be_written(location: str, fault: Exception) -> OutputTableError:
    return OutputTableError(f"output {location}: cannot be written ({fault})")
