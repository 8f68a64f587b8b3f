"""Compile kernels with numba, keeping the machine code where a folder can be written."""

import contextlib
import fcntl
import functools
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


def compiled(kernel: Callable[P, R]) -> Callable[P, R]:
    """`kernel` as machine code, compiled at its first call; later processes load it from disk."""
    import numba

    dispatcher = numba.njit(kernel, nogil=True)
    if _cache_folder() is not None:
        dispatcher._cache = _cache_class()(kernel)
    return cast(Callable[P, R], dispatcher)


def inlined(kernel: Callable[P, R]) -> Callable[P, R]:
    """`kernel` as a part of those that call it in their loops; it must not allocate.

    Without numba's runtime no references are counted, which would cost more than such a kernel's
    own work.
    """
    import numba

    return cast(Callable[P, R], numba.njit(kernel, nogil=True, forceinline=True, _nrt=False))


def inlined_sum(kernel: Callable[P, R]) -> Callable[P, R]:
    """As `inlined`, for a kernel that sums: in any order, so that many terms go at once."""
    import numba

    options = {"forceinline": True, "_nrt": False, "fastmath": {"reassoc", "contract"}}
    return cast(Callable[P, R], numba.njit(kernel, nogil=True, **options))


@contextlib.contextmanager
def one_compiles(name: str) -> Iterator[None]:
    """Around the first call of a kernel: of a machine's processes one compiles, the others wait.

    Once that has been done for `name`, nobody waits.
    """
    folder = _cache_folder()
    done = folder / f"{name}.compiled" if folder else None
    if done is None or done.exists():
        yield
        return
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # then each compiles for itself
            fcntl.flock(held.enter_context(done.with_suffix(".lock").open("w")), fcntl.LOCK_EX)
        yield
    with contextlib.suppress(OSError):
        done.touch()


@functools.cache
def _cache_class() -> Any:
    """The class of numba's own cache, but for kernels from any place, a wheel on sys.path too."""
    from numba.core import caching

    class Locator(caching._CacheLocator):  # type: ignore[misc]
        def __init__(self, kernel: Callable[..., object]) -> None:
            self._module = kernel.__module__

        @classmethod
        def from_function(cls, kernel: Callable[..., object], _file: str) -> "Locator":
            return cls(kernel)

        def get_cache_path(self) -> str:
            return str(_cache_folder())

        def get_source_stamp(self) -> str:
            return "the folder's name"

        def get_disambiguator(self) -> str:
            return self._module

    class Implementation(caching.CompileResultCacheImpl):  # type: ignore[misc]
        _locator_classes = (Locator,)

    class Cache(caching.FunctionCache):  # type: ignore[misc]
        _impl_class = Implementation

    return Cache


@functools.cache
def _cache_folder() -> Path | None:
    """The first that can be written; None costs a compilation in each process, nothing else.

    Its name holds a digest of all kernels, since one is compiled again when another that it calls
    has changed. Only we may write there: what lies in it is run.
    """
    digest = _digest(files("udfs"))
    folders = [
        f"{os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'}/captionlake/numba/{digest}",
        f"{tempfile.gettempdir()}/captionlake-numba-{os.getuid()}-{digest}",
    ]
    if "NUMBA_CACHE_DIR" in os.environ:
        folders.insert(0, f"{os.environ['NUMBA_CACHE_DIR']}/{digest}")
    for folder in map(Path, folders):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                if folder.stat().st_uid == os.getuid():
                    return folder
    return None


def _digest(folder: Traversable) -> str:
    hashed = hashlib.sha256()
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir() and not item.name.startswith("_"):
            hashed.update(_digest(item).encode())
        elif item.name.endswith(".py"):
            hashed.update(item.name.encode() + b"\0" + item.read_bytes())
    return hashed.hexdigest()[:16]
