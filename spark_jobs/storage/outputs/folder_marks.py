"""The mark in a folder of plain files: which run wrote it, and which files it wrote."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pyarrow.fs as pafs

from udfs.json_files import file_system

MARK = "_captionlake"  # Spark passes over names with _, and programs that read *.json over this one

# Path below the folder -> bytes, and the time of the last change in nanoseconds.
Listing = dict[str, list[int]]


def write_mark(
    folder: str, commit: Mapping[str, Any], names: Collection[str] | None = None
) -> None:
    """Write the mark, once all files lie there: `commit`, and the files with sizes and times.

    `names`: the files that the run wrote, by default all that are not hidden.
    """
    there = visible_files_in(folder)
    files = {name: there[name] for name in there if names is None or name in names}
    write_json(folder, MARK, {**commit, "files": files})


def read_mark(folder: str) -> dict[str, Any] | None:
    """What the mark says; None where there is none that can be read."""
    return read_json(folder, MARK)


def read_file_mark(file: str) -> dict[str, Any] | None:
    """What the mark of one file says, which is hidden and lies beside it."""
    folder, _, name = file.rpartition("/")
    return read_json(folder, _mark_beside(name))


def write_file_mark(file: str, content: Mapping[str, Any]) -> None:
    """Write the mark of one file."""
    folder, _, name = file.rpartition("/")
    write_json(folder, _mark_beside(name), content)


def marks_of_files(files: Iterable[str]) -> list[dict[str, Any]]:
    """What marks say of files: their own, those of their folders, of the folders above these.

    Paths that are on no file system known here have none.
    """
    names: dict[str, set[str]] = {}
    for file in files:
        folder, _, name = file.rpartition("/")
        names.setdefault(folder, set()).add(_mark_beside(name))
    places = [(folder, name) for folder in sorted(names) for name in _marks_in(folder, names)]
    places += [(above, MARK) for above in sorted({f.rpartition("/")[0] for f in names} - {*names})]
    read = (read_json(folder, name) for folder, name in places)
    return [mark for mark in read if mark is not None]


def _marks_in(folder: str, names: Mapping[str, set[str]]) -> list[str]:
    """The marks that lie in a folder: its own, and those of the files named."""
    try:
        system, path = file_system(folder)
        there = system.get_file_info(pafs.FileSelector(path))
    except (OSError, ValueError):
        return []
    return sorted({file.base_name for file in there} & {MARK, *names[folder]})


def _mark_beside(name: str) -> str:
    return f".{name}.{MARK}"


def remove_mark(folder: str) -> None:
    """Take the mark away, before the first file changes."""
    remove_file(folder, MARK)


def marked_run_id(folder: str) -> str | None:
    """The run that wrote a folder's files; None without a mark, or where a file has changed."""
    mark = read_mark(folder)
    if mark is None or mark.get("files") != visible_files_in(folder):
        return None
    return str(mark.get("run_id"))


def visible_files_in(folder: str) -> Listing:
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
        return bool(visible_files_in(folder))
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


def write_json(folder: str, name: str, content: Mapping[str, Any]) -> None:
    """Write a small file, in its place once it is whole."""
    system, path = file_system(folder)
    beside = f"{path}/.{name}.new"
    with system.open_output_stream(beside) as stream:
        stream.write(json.dumps(dict(content), sort_keys=True).encode())
    system.move(beside, f"{path}/{name}")


def remove_file(folder: str, name: str) -> None:
    """Remove a file of a folder where it is there."""
    system, path = file_system(folder)
    if system.get_file_info(f"{path}/{name}").type == pafs.FileType.File:
        system.delete_file(f"{path}/{name}")


def _is_hidden(name: str) -> bool:
    *folders, file = name.split("/")
    return file.startswith(("_", ".")) or any(part.startswith(".") for part in folders)
