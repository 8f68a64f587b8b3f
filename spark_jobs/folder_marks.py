"""The mark in a folder of plain files: which run wrote it, and which files it wrote."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow.fs as pafs

from udfs.json_files import file_system

MARK = "_captionlake"  # Spark passes over names with _, and programs that read *.json over this one

# Path below the folder -> bytes, and the time of the last change in nanoseconds.
Listing = dict[str, list[int]]


def write_mark(folder: str, commit: Mapping[str, Any]) -> None:
    """Write the mark, once all files lie there: `commit`, and the files with sizes and times."""
    system, path = file_system(folder)
    content = json.dumps({**commit, "files": files_in(folder)}, sort_keys=True)
    beside = f"{path}/.{MARK}"
    with system.open_output_stream(beside) as stream:
        stream.write(content.encode())
    system.move(beside, f"{path}/{MARK}")


def read_mark(folder: str) -> dict[str, Any] | None:
    """What the mark says; None where there is none that can be read."""
    return read_json(folder, MARK)


def remove_mark(folder: str) -> None:
    """Take the mark away, before the first file changes."""
    remove_file(folder, MARK)


def marked_run_id(folder: str) -> str | None:
    """The run that wrote a folder's files; None without a mark, or where a file has changed."""
    mark = read_mark(folder)
    if mark is None or mark.get("files") != files_in(folder):
        return None
    return str(mark.get("run_id"))


def files_in(folder: str) -> Listing:
    """The files below a folder but for hidden ones, whose names begin with . or _."""
    system, path = file_system(folder)
    selector = pafs.FileSelector(path, recursive=True, allow_not_found=True)
    start = len(path.rstrip("/")) + 1
    files = {
        file.path[start:]: [file.size, file.mtime_ns]
        for file in system.get_file_info(selector)
        if file.type == pafs.FileType.File
    }
    return {name: files[name] for name in sorted(files) if not _is_hidden(name)}


def has_files(folder: str) -> bool:
    """Whether files that are not hidden lie below a folder."""
    try:
        return bool(files_in(folder))
    except (OSError, ValueError):  # nothing there, a name in the catalog, or a foreign system
        return False


def read_json(folder: str, name: str) -> dict[str, Any] | None:
    """The object in a small JSON file of a folder; None where there is none."""
    try:
        system, path = file_system(folder)
        with system.open_input_stream(f"{path}/{name}") as stream:
            content = json.loads(stream.read())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def remove_file(folder: str, name: str) -> None:
    """Remove a file of a folder where it is there."""
    system, path = file_system(folder)
    if system.get_file_info(f"{path}/{name}").type == pafs.FileType.File:
        system.delete_file(f"{path}/{name}")


def _is_hidden(name: str) -> bool:
    *folders, file = name.split("/")
    return file.startswith(("_", ".")) or any(part.startswith(".") for part in folders)
