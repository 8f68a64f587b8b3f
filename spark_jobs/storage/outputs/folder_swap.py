"""Folders of plain files: which may be replaced, and how new files take the place of old ones.

A run writes into a hidden folder inside the output. Once all is there, a journal says what moves in
and what goes; then files move, and the mark comes last. A folder with a mark and no journal is
whole. Where a run was killed while files moved, the next one finishes what the journal says.
"""

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow.fs as pafs
from pydantic import BaseModel, ValidationError

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import OutputTableError, SettingsError
from spark_jobs.storage.outputs.folder_marks import (
    read_json,
    read_mark,
    remove_file,
    remove_mark,
    visible_files_in,
    write_json,
    write_mark,
)
from spark_jobs.storage.outputs.staging import locked, remove_abandoned, staging_name
from udfs.json_files import file_system

JOURNAL = ".captionlake.json"
CONTENT = "content"  # in a mark: which export the files are
_REMEDY = "give another output or remove them"
_log = logging.getLogger(__name__)


@contextmanager
def replaced_folder(
    address: str, commit: Mapping[str, Any], *, content: str | None = None
) -> Iterator[str]:
    """Give a hidden folder inside the output; what is written there replaces the output's files.

    The old files stay until all new ones are written. `commit` and `content` go into the mark; see
    `check_folder` for what is refused. Of two runs at once the last to end leaves its files, whole.
    """
    said = {**commit, CONTENT: content}
    check_folder(address, content)
    folder = parse_address(address).location
    system, path = file_system(folder)
    staging = staging_name()
    try:
        system.create_dir(f"{path}/{staging}", recursive=True)
        try:
            with locked(system, f"{path}/{staging}"):
                yield f"{folder}/{staging}"
                _swap(address, folder, staging, said)
        finally:
            # Where a fault has stopped the moves, the next run makes them: the files must stay.
            journal = _read_journal(folder)
            if journal is None or journal.staging != staging:
                _delete_folder(system, f"{path}/{staging}")
    except OSError as fault:
        raise OutputTableError(f"output {folder}: cannot be written ({fault})") from None


def check_folder(address: str, content: str | None = None) -> None:
    """Refuse a folder that holds what no run of ours wrote, or another export than `content`.

    A folder that is empty or not there is fine, and hidden files are nobody's concern: they stay.
    Raises OutputTableError, or SettingsError where no folder can be there.
    """
    folder = parse_address(address).location
    system, path = _open_folder(address, folder)
    try:
        if system.get_file_info(path).type == pafs.FileType.File:
            raise OutputTableError(f"output {folder} is a file, expected a folder; {_REMEDY}")
        if system.get_file_info(f"{path}/_delta_log").type == pafs.FileType.Directory:
            raise OutputTableError(f"output {folder} holds a Delta table; {_REMEDY}")
        there, (said, ours) = visible_files_in(folder), _said_of(folder)
    except OSError as fault:
        raise OutputTableError(f"output {folder}: cannot be listed ({fault})") from None
    foreign = [name for name in there if name not in ours]
    if foreign:
        raise OutputTableError(
            f"output {folder} holds other files, such as {foreign[0]}, that no run of captionlake "
            f"wrote; {_REMEDY}"
        )
    if there and said.get(CONTENT) != content:
        raise OutputTableError(
            f"output {folder} holds {said.get(CONTENT) or 'a table'} of run {said.get('run_id')}, "
            f"which {content or 'a table'} would remove; {_REMEDY}"
        )


def is_being_replaced(folder: str) -> bool:
    """Whether files of a folder are on the move, or a run was killed while they were."""
    return _read_journal(folder) is not None


class _Journal(BaseModel):
    """What moves from `staging` into the folder, all that is ours meanwhile, and the mark."""

    staging: str
    new: list[str]
    files: list[str]
    commit: dict[str, Any]


def _read_journal(folder: str) -> _Journal | None:
    """The journal; None where there is none, or none that was written to its end."""
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


def _said_of(folder: str) -> tuple[dict[str, Any], Collection[str]]:
    """What a run said of a folder, and the names of its files.

    While files move, those are the old files and the new.
    """
    journal = _read_journal(folder)
    if journal is not None:
        return journal.commit, set(journal.files)
    mark = read_mark(folder) or {}
    files = mark.get("files")
    return mark, files if isinstance(files, dict) else ()


def _swap(address: str, folder: str, staging: str, commit: Mapping[str, Any]) -> None:
    """Put the staged files in the place of those that are there, which is asked again."""
    system, path = file_system(folder)
    with locked(system, path, waits=True):
        _finish(folder)
        check_folder(address, commit[CONTENT])
        before, staged = (
            list(visible_files_in(folder)),
            list(visible_files_in(f"{folder}/{staging}")),
        )
        files = sorted({*before, *staged})
        journal = _Journal(staging=staging, new=staged, files=files, commit=dict(commit))
        write_json(folder, JOURNAL, journal.model_dump())
        _finish(folder)
        remove_abandoned(system, path)
    if commit[CONTENT] is not None:
        _tell_of_removed(folder, before, staged)


def _finish(folder: str) -> None:
    """Do what is left of the journal, where there is one.

    Only files that are there, below the folder, are touched, whatever a journal says. Where some
    staged ones were lost, there is no mark, and the next run may replace what is left.
    """
    journal = _read_journal(folder)
    if journal is None:
        return
    system, path = file_system(folder)
    staging, new = journal.staging.rpartition("/")[2], set(journal.new)
    remove_mark(folder)
    for name in visible_files_in(f"{folder}/{staging}"):
        system.create_dir(f"{path}/{name}".rpartition("/")[0], recursive=True)
        system.move(f"{path}/{staging}/{name}", f"{path}/{name}")
    for name in set(visible_files_in(folder)) & set(journal.files) - new:
        system.delete_file(f"{path}/{name}")
        _remove_empty_folders(system, path, name)
    if new <= set(visible_files_in(folder)):
        write_mark(folder, journal.commit, new)
        remove_file(folder, JOURNAL)
    _delete_folder(system, f"{path}/{staging}")


def _tell_of_removed(folder: str, before: Iterable[str], staged: Iterable[str]) -> None:
    """Say which files of an earlier export are gone, unless they only had higher numbers."""
    kinds = {re.sub(r"\d+", "", name) for name in staged}
    gone = sorted(name for name in before if re.sub(r"\d+", "", name) not in kinds)
    if gone:
        _log.warning(
            "output %s: %s of the earlier export %s not written this time and removed",
            *(folder, ", ".join(gone[:3]), "was" if len(gone) == 1 else "were"),
        )


def _remove_empty_folders(system: pafs.FileSystem, path: str, name: str) -> None:
    """Remove the folders of a removed file in which nothing is left."""
    below = name.rpartition("/")[0]
    while below and not system.get_file_info(pafs.FileSelector(f"{path}/{below}")):
        system.delete_dir(f"{path}/{below}")
        below = below.rpartition("/")[0]


def _delete_folder(system: pafs.FileSystem, path: str) -> None:
    if system.get_file_info(path).type == pafs.FileType.Directory:
        system.delete_dir(path)
