"""Folders of plain files: check whether one may be replaced, and replace its files crash-safely.

A run writes into a hidden staging folder inside the output. When all files are written, a journal
records which files to move in and which to delete; then the files move, and the mark is written
last. A folder with a mark and no journal is complete. If a run is killed while files move, the next
run finishes the journal.
"""

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow.fs as pafs
from pydantic import BaseModel, ValidationError

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import InputDataError, OutputTableError, SettingsError
from spark_jobs.storage.hidden_files import is_hidden
from spark_jobs.storage.outputs.folder_marks import (
    is_growing,
    read_json,
    read_mark,
    remove_file,
    remove_mark,
    visible_entries_in,
    visible_files_in,
    write_json,
    write_mark,
)
from spark_jobs.storage.outputs.staging import (
    locked,
    remove_abandoned,
    staging_name,
    staging_name_of_run,
)
from udfs.file_systems import file_system

JOURNAL = ".captionlake.json"
CONTENT = "content"  # key in a mark: the kind of export
_SURE_TO_RECUR = (InputDataError, OutputTableError, SettingsError)
_REMEDY = "give another output or remove them"
_log = logging.getLogger(__name__)


@contextmanager
def replaced_folder(
    address: str,
    metadata: Mapping[str, Any],
    *,
    content: str | None = None,
    is_resumable: bool = False,
) -> Iterator[str]:
    """Yield a staging folder; at the end, what was written there replaces the output's files.

    The old files stay until all new ones are written. `metadata` and `content`, the kind of export,
    go into the mark; see `check_folder` for errors. Of two concurrent runs, the last to end leaves
    its files, complete. `is_resumable`: on a local disk, the folder has the files of an interrupted
    run of the same id, some of which may be whole.
    """
    mark = {**metadata, CONTENT: content}
    check_folder(address, content)
    folder = parse_address(address).location
    system, path = file_system(folder)
    is_interrupted = False
    try:
        with _staging(folder, mark["run_id"] if is_resumable else None) as staging:
            try:
                yield f"{folder}/{staging}"
                _swap(address, folder, staging, mark)
            except BaseException as fault:
                is_interrupted = is_resumable and not isinstance(fault, _SURE_TO_RECUR)
                raise
            finally:
                # After a fault during the moves, the next run finishes them from the staged files.
                journal = _read_journal(folder)
                if not is_interrupted and (journal is None or journal.staging != staging):
                    _delete_folder(system, f"{path}/{staging}")
    except OSError as fault:
        raise OutputTableError(f"output {folder}: cannot be written ({fault})") from None


@contextmanager
def _staging(folder: str, run_id: str | None) -> Iterator[str]:
    """Name of a staging folder in `folder`, locked: that of a run, unless another process has it.

    In stores, which have no locks, it is a new one.
    """
    system, path = file_system(folder)
    names = [staging_name()]
    if run_id is not None and isinstance(system, pafs.LocalFileSystem):
        names.insert(0, staging_name_of_run(run_id))
        system.create_dir(path, recursive=True)
        with locked(system, path, waits=True):
            _finish_journal(folder)  # which may be about the staging folder of that name
    for name in names:
        system.create_dir(f"{path}/{name}", recursive=True)
        with locked(system, f"{path}/{name}", without_locks=name == names[-1]) as is_free:
            if is_free:
                yield name
                return
    raise AssertionError("a new folder is nobody else's")


def check_folder(address: str, content: str | None = None) -> None:
    """Raise OutputTableError for a folder with foreign files or another kind of export.

    A file is foreign if no run of ours wrote it; hidden files do not count, and stay. An empty or
    absent folder is fine. Raises SettingsError if the address is not a folder's.
    """
    folder = parse_address(address).location
    system, path = _open_folder(address, folder)
    try:
        if system.get_file_info(path).type == pafs.FileType.File:
            raise OutputTableError(f"output {folder} is a file, expected a folder; {_REMEDY}")
        if system.get_file_info(f"{path}/_delta_log").type == pafs.FileType.Directory:
            raise OutputTableError(f"output {folder} holds a Delta table; {_REMEDY}")
        mark, own_files = _last_write(folder)
        existing_files = own_files if is_growing(mark) else visible_files_in(folder)
    except OSError as fault:
        raise OutputTableError(f"output {folder}: cannot be listed ({fault})") from None
    foreign = [name for name in existing_files if name not in own_files]
    if foreign:
        raise OutputTableError(
            f"output {folder} holds other files, such as {foreign[0]}, that no run of captionlake "
            f"wrote; {_REMEDY}"
        )
    if existing_files and mark.get(CONTENT) != content:
        reason = (
            f"to which {content} cannot add"
            if is_growing(mark)
            else f"which {content or 'a table'} would remove"
        )
        raise OutputTableError(
            f"output {folder} holds {mark.get(CONTENT) or 'a table'} of run {mark.get('run_id')}, "
            f"{reason}; {_REMEDY}"
        )


def is_being_replaced(folder: str) -> bool:
    """Whether a folder has a journal: its files are being moved, or a run was killed meanwhile."""
    return _read_journal(folder) is not None


class _Journal(BaseModel):
    """The moves of a replacement, as stored in JSON.

    `new`: the files to move from the folder `staging`. `files`: these and the old files, which are
    the folder's own until the moves are done. `commit`: the content of the mark, without files.
    """

    staging: str
    new: list[str]
    files: list[str]
    commit: dict[str, Any]


def _read_journal(folder: str) -> _Journal | None:
    """Read a folder's journal; None if it has no complete one."""
    try:
        return _Journal.model_validate(read_json(folder, JOURNAL))
    except ValidationError:
        return None


def _open_folder(address: str, folder: str) -> tuple[pafs.FileSystem, str]:
    if not parse_address(address).is_path:
        raise SettingsError(f"output {address}: files need a folder, not a name in the catalog")
    try:
        return file_system(folder)
    except (OSError, ValueError) as fault:
        raise SettingsError(f"output {fault}") from None


def _last_write(folder: str) -> tuple[dict[str, Any], Collection[str]]:
    """(metadata, names of the files) of the last run that wrote a folder.

    While files are being moved, the names are those of old and new files.
    """
    journal = _read_journal(folder)
    if journal is not None:
        return journal.commit, set(journal.files)
    mark = read_mark(folder) or {}
    files = visible_entries_in(folder) if is_growing(mark) else mark.get("files")
    return mark, files if isinstance(files, dict) else ()


def _swap(address: str, folder: str, staging: str, mark: Mapping[str, Any]) -> None:
    """Replace the folder's files by the staged ones, after checking the folder again."""
    system, path = file_system(folder)
    with locked(system, path, waits=True):
        _finish_journal(folder)
        check_folder(address, mark[CONTENT])
        old = list(visible_files_in(folder))
        new = list(visible_files_in(f"{folder}/{staging}"))
        files = sorted({*old, *new})
        journal = _Journal(staging=staging, new=new, files=files, commit=dict(mark))
        write_json(folder, JOURNAL, journal.model_dump())
        _finish_journal(folder)
        remove_abandoned(system, path)
    if mark[CONTENT] is not None:
        _warn_of_removed_files(folder, old, new)


def _finish_journal(folder: str) -> None:
    """Make the remaining moves and deletions of the folder's journal, if it has one.

    Touches only files that a listing of the folder shows, whatever names the journal has. If staged
    files were lost, it writes no mark, and the next run may replace the remaining files.
    """
    journal = _read_journal(folder)
    if journal is None:
        return
    system, path = file_system(folder)
    staging, new = journal.staging.rpartition("/")[2], set(journal.new)
    remove_mark(folder)
    _move_new_folders(system, f"{path}/{staging}", path)
    for name in visible_files_in(f"{folder}/{staging}"):
        system.create_dir(f"{path}/{name}".rpartition("/")[0], recursive=True)
        system.move(f"{path}/{staging}/{name}", f"{path}/{name}")
    listing = visible_files_in(folder)
    for name in listing.keys() & set(journal.files) - new:
        system.delete_file(f"{path}/{name}")
        _remove_empty_folders(system, path, name)
    if new <= listing.keys():
        write_mark(folder, journal.commit, {name: listing[name] for name in sorted(new)})
        remove_file(folder, JOURNAL)
    _delete_folder(system, f"{path}/{staging}")


def _move_new_folders(system: pafs.FileSystem, staging: str, target: str) -> None:
    """Move folders that the target has not as one, where a disk can: they may have many files."""
    if not isinstance(system, pafs.LocalFileSystem):
        return
    for entry in system.get_file_info(pafs.FileSelector(staging, allow_not_found=True)):
        is_folder = entry.type == pafs.FileType.Directory and not is_hidden(entry.base_name)
        place = f"{target}/{entry.base_name}"
        if is_folder and system.get_file_info(place).type == pafs.FileType.NotFound:
            system.move(entry.path, place)


def _warn_of_removed_files(folder: str, old: Iterable[str], new: Iterable[str]) -> None:
    """Log old files that were removed, except those that differ from a new one in numbers only."""
    new_kinds = {re.sub(r"\d+", "", name) for name in new}
    removed = sorted(name for name in old if re.sub(r"\d+", "", name) not in new_kinds)
    if removed:
        _log.warning(
            "output %s: %s of the earlier export %s not written this time and removed",
            *(folder, ", ".join(removed[:3]), "was" if len(removed) == 1 else "were"),
        )


def _remove_empty_folders(system: pafs.FileSystem, path: str, name: str) -> None:
    """Remove the folders, below `path`, that are empty after the removal of the file `name`."""
    subfolder = name.rpartition("/")[0]
    while subfolder and not system.get_file_info(pafs.FileSelector(f"{path}/{subfolder}")):
        system.delete_dir(f"{path}/{subfolder}")
        subfolder = subfolder.rpartition("/")[0]


def _delete_folder(system: pafs.FileSystem, path: str) -> None:
    if system.get_file_info(path).type == pafs.FileType.Directory:
        system.delete_dir(path)
