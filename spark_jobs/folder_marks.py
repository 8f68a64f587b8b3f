"""The mark in a folder of plain files: which run wrote it, and which files it wrote."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow.fs as pafs

from udfs.json_files import file_system

MARK = "_captionlake"  # Spark passes over names with _, and programs that read *.json over this one

# Path below the folder -> bytes, and the time of the last change in nanoseconds.
Listing = dict[str, list[int]]

# What Spark and Hadoop leave in a folder of parquet, below those of its partitions.
_OF_PARQUET = re.compile(
    rf"(?:[^/]+=[^/]*/)*(?:part-[^/]*\.parquet|_SUCCESS|_(?:common_)?metadata|\.[^/]*\.crc)"
    rf"|_temporary/.*|\.?{MARK}"
)


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


def mark_file(file: str, commit: Mapping[str, Any]) -> None:
    """Write the mark of one file, which is hidden and lies beside it."""
    system, path = file_system(file)
    folder, _, name = path.rpartition("/")
    with system.open_output_stream(f"{folder}/{_mark_beside(name)}") as stream:
        stream.write(json.dumps(dict(commit), sort_keys=True).encode())


def unmark_file(file: str) -> None:
    """Take a file's mark away where it has one."""
    folder, _, name = file.rpartition("/")
    remove_file(folder, _mark_beside(name))


def marks_behind(files: Iterable[str]) -> list[dict[str, Any]]:
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


def foreign_to_parquet(folder: str) -> str | None:
    """A file at or below a path that neither its mark names nor Spark writes as parquet.

    None where there is none. Hidden files count as well.
    """
    system, path = file_system(folder)
    path = path.rstrip("/")
    if system.get_file_info(path).type == pafs.FileType.File:
        return path
    there = system.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
    names = sorted(f.path[len(path) + 1 :] for f in there if f.type == pafs.FileType.File)
    ours = (read_mark(folder) or {}).get("files", {})
    return next((name for name in names if name not in ours and not _is_of_parquet(name)), None)


def _is_of_parquet(name: str) -> bool:
    return _OF_PARQUET.fullmatch(name) is not None


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
