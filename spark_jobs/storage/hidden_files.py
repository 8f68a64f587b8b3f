"""Files that Spark passes over without a word, since their name or a folder's begins with _ or ."""

import glob
import os
from collections.abc import Iterator

import pyarrow.fs as pafs

from udfs.file_systems import file_system, plain_path

HIDDEN = "files and folders whose names begin with _ or . are hidden from Spark"
# Folders in which programs keep files of their own, and macOS' files beside others.
_NOT_DATA = ("_delta_log", "_change_data", "_temporary", ".ipynb_checkpoints", ".cache", ".git")
_MACOS_PREFIX = "._"


def hidden_files(location: str) -> list[str]:
    """Paths of the files with content at a folder, file or glob that Spark reads as if not there.

    Empty where the store cannot be listed here. Globs are looked at in local file systems only.
    """
    try:
        system, path = file_system(location)
        is_local = plain_path(location).startswith("/")
        if is_local and not os.path.exists(path):
            paths = glob.glob(path, include_hidden=True)
            return sorted(file for p in paths for file in _hidden_at(system, p, of_glob=True))
        return sorted(_hidden_at(system, path))
    except (OSError, ValueError):
        return []


def _hidden_at(system: pafs.FileSystem, path: str, *, of_glob: bool = False) -> Iterator[str]:
    info = system.get_file_info(path)
    if info.type == pafs.FileType.File:
        if is_hidden(info.base_name) and _is_data(info.base_name):
            yield path
        return
    if of_glob and is_hidden(info.base_name):
        return  # what a glob is meant for are mostly files
    for file in system.get_file_info(pafs.FileSelector(path, recursive=True)):
        parts = file.path[len(path.rstrip("/")) + 1 :].split("/")
        is_file = file.type == pafs.FileType.File and bool(file.size)
        if is_file and any(map(is_hidden, parts)) and all(map(_is_data, parts)):
            yield file.path


def is_hidden(name: str) -> bool:
    """Spark's rule: folders called `_name=value` are read."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _is_data(name: str) -> bool:
    return name not in _NOT_DATA and not name.startswith(_MACOS_PREFIX)
