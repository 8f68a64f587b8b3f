"""Marks: hidden JSON files that record which run wrote a folder or file, and what it wrote."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow.fs as pafs

from udfs.file_systems import file_system

MARK = "_captionlake"  # ignored by Spark for its _, and by programs that read *.json

# Path relative to the folder -> [size in bytes, modification time in nanoseconds since 1970].
Listing = dict[str, list[int]]


def write_growing_mark(folder: str, metadata: Mapping[str, Any], *, is_whole: bool) -> None:
    """Write the mark of a folder that runs add files to, millions perhaps, all of which are theirs.

    `is_whole`: the run is at its end; until then no run counts as the one that wrote the folder.
    """
    files = _digest(folder) if is_whole else ""
    write_json(folder, MARK, {**metadata, "files": files})


def is_growing(mark: Mapping[str, Any]) -> bool:
    """Whether a mark is of a folder that runs add files to."""
    return isinstance(mark.get("files"), str)


def visible_entries_in(folder: str) -> dict[str, int | None]:
    """The files at the top of a folder with their sizes, and its folders, without hidden ones."""
    system, path = file_system(folder)
    entries = system.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    return {
        entry.base_name: entry.size if entry.type == pafs.FileType.File else None
        for entry in sorted(entries, key=lambda entry: entry.base_name)
        if not _is_hidden(entry.base_name)
    }


def _digest(folder: str) -> str:
    return hashlib.sha256(json.dumps(visible_entries_in(folder)).encode()).hexdigest()


def write_mark(folder: str, metadata: Mapping[str, Any], files: Listing | None = None) -> None:
    """Write a folder's mark after its files: `metadata`, and the files with sizes and times.

    `files`: those that the run wrote, by default all that are not hidden.
    """
    files = visible_files_in(folder) if files is None else files
    write_json(folder, MARK, {**metadata, "files": files})


def read_mark(folder: str) -> dict[str, Any] | None:
    """Content of a folder's mark; None if it has none that can be read."""
    return read_json(folder, MARK)


def read_file_mark(file: str) -> dict[str, Any] | None:
    """Content of the mark of a single file, a hidden file beside it; None if it has none."""
    folder, _, name = file.rpartition("/")
    return read_json(folder, _file_mark_name(name))


def write_file_mark(file: str, content: Mapping[str, Any]) -> None:
    """Write the mark of a single file."""
    folder, _, name = file.rpartition("/")
    write_json(folder, _file_mark_name(name), content)


def marks_of_files(files: Iterable[str]) -> list[dict[str, Any]]:
    """The marks that apply to files: their own, of their folders, and of the parent folders.

    Paths on file systems that pyarrow does not know have none.
    """
    file_marks: dict[str, set[str]] = {}  # folder -> names of its files' marks
    for file in files:
        folder, _, name = file.rpartition("/")
        file_marks.setdefault(folder, set()).add(_file_mark_name(name))
    parents = {folder.rpartition("/")[0] for folder in file_marks} - {*file_marks}
    mark_paths = [
        (folder, name) for folder in sorted(file_marks) for name in _marks_in(folder, file_marks)
    ]
    mark_paths += [(parent, MARK) for parent in sorted(parents)]
    marks = (read_json(folder, name) for folder, name in mark_paths)
    return [mark for mark in marks if mark is not None]


def _marks_in(folder: str, file_marks: Mapping[str, set[str]]) -> list[str]:
    """Names of the marks that exist in a folder: its own, and those in `file_marks`."""
    try:
        system, path = file_system(folder)
        listing = system.get_file_info(pafs.FileSelector(path))
    except (OSError, ValueError):
        return []
    return sorted({file.base_name for file in listing} & {MARK, *file_marks[folder]})


def _file_mark_name(name: str) -> str:
    return f".{name}.{MARK}"


def remove_mark(folder: str) -> None:
    """Remove a folder's mark, before the first of its files changes."""
    remove_file(folder, MARK)


def marked_run_id(folder: str) -> str | None:
    """Id of the run that wrote a folder; None without a mark or if its files have changed since."""
    mark = read_mark(folder)
    if mark is None:
        return None
    if mark.get("files") != (_digest(folder) if is_growing(mark) else visible_files_in(folder)):
        return None
    return str(mark.get("run_id"))


def visible_files_in(folder: str) -> Listing:
    """The files of a folder, recursively, without hidden ones: names that begin with . or _."""
    system, path = file_system(folder)
    if isinstance(system, pafs.LocalFileSystem):
        files = dict(_local_files(path, ""))
        return {name: files[name] for name in sorted(files)}
    selector = pafs.FileSelector(path, recursive=True, allow_not_found=True)
    prefix_length = len(path.rstrip("/")) + 1
    files = {
        file.path[prefix_length:]: [file.size, file.mtime_ns]
        for file in system.get_file_info(selector)
        if file.type == pafs.FileType.File
    }
    return {name: files[name] for name in sorted(files) if not _is_hidden(name)}


def _local_files(path: str, prefix: str) -> Iterator[tuple[str, list[int]]]:
    """The same below a folder of a disk, in no order; what is hidden is not looked at."""
    try:
        entries = os.scandir(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _local_files(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file() and not entry.name.startswith("_"):
                stat = entry.stat()
                yield f"{prefix}{entry.name}", [stat.st_size, stat.st_mtime_ns]


def has_files(folder: str) -> bool:
    """Whether a folder has files that are not hidden."""
    try:
        return bool(visible_files_in(folder))
    except (OSError, ValueError):  # absent, a catalog name, or a store unknown to pyarrow
        return False


def read_json(folder: str, name: str) -> dict[str, Any] | None:
    """Read a JSON object from a file of a folder; None if the file is absent or has no object."""
    try:
        system, path = file_system(folder)
        with system.open_input_stream(f"{path}/{name}") as stream:
            content = json.loads(stream.read())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_json(folder: str, name: str, content: Mapping[str, Any]) -> None:
    """Write a JSON file of a folder, under its name only once it is complete."""
    system, path = file_system(folder)
    staged_file = f"{path}/.{name}.new"
    with system.open_output_stream(staged_file) as stream:
        stream.write(json.dumps(dict(content), sort_keys=True).encode())
    system.move(staged_file, f"{path}/{name}")


def remove_file(folder: str, name: str) -> None:
    """Remove a file of a folder if it exists."""
    system, path = file_system(folder)
    if system.get_file_info(f"{path}/{name}").type == pafs.FileType.File:
        system.delete_file(f"{path}/{name}")


def _is_hidden(name: str) -> bool:
    *folders, file = name.split("/")
    return file.startswith(("_", ".")) or any(part.startswith(".") for part in folders)
