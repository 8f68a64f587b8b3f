"""Compile a kernel with numba, keeping the machine code where a folder can be written."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


def compiled(kernel: Callable[P, R]) -> Callable[P, R]:
    """`kernel` as machine code, compiled at its first call; later processes load it from disk.

    The folder is NUMBA_CACHE_DIR, else one below the user's cache folder; a place that cannot be
    written costs a compilation in each process, nothing else.
    """
    os.environ.setdefault("NUMBA_CACHE_DIR", _cache_folder())
    import numba  # reads the variable

    try:
        return cast(Callable[P, R], numba.njit(kernel, cache=True, nogil=True))
    except RuntimeError:  # numba found no folder to write to
        return cast(Callable[P, R], numba.njit(kernel, nogil=True))


def _cache_folder() -> str:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "captionlake" / "numba"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return tempfile.gettempdir()
    return str(folder)
