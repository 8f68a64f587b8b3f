"""Size and time of a file, to check that it is still the one that a run wrote."""

import pyarrow.fs as pafs

from udfs.file_systems import file_system


def stamp_of(file: str) -> str | None:
    """`<bytes>@<nanoseconds since 1970>`; None if there is no file that pyarrow can look up."""
    try:
        system, path = file_system(file)
        info = system.get_file_info(path)
    except (OSError, ValueError):
        return None
    return f"{info.size}@{info.mtime_ns}" if info.type == pafs.FileType.File else None
