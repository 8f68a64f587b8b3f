"""Size and time of one file, by which it is known to be the one that a run wrote."""

import pyarrow.fs as pafs

from udfs.json_files import file_system


def stamp_of(file: str) -> str | None:
    """`bytes@nanoseconds since 1970`; None where no file is there or its file system is unknown."""
    try:
        system, path = file_system(file)
        info = system.get_file_info(path)
    except (OSError, ValueError):
        return None
    return f"{info.size}@{info.mtime_ns}" if info.type == pafs.FileType.File else None
