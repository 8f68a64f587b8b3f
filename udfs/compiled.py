"""Compile kernels with numba, and cache the machine code on disk where a folder is writable."""

import contextlib
import copyreg
import fcntl
import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


def compiled(kernel: Callable[P, R]) -> Callable[P, R]:
    """Compile `kernel` at its first call; later processes load the machine code from disk."""
    import numba

    dispatcher = numba.njit(kernel, nogil=True)
    copyreg.pickle(type(dispatcher), _reduced)
    if _cache_folder() is not None:
        dispatcher._cache = _cache_class()(kernel)
    return cast(Callable[P, R], dispatcher)


def _reduced(dispatcher: Any) -> str | tuple[Any, ...]:
    """Pickle the kernel of a module by its name: a copy would be compiled again in each process.

    So a function that a worker gets by value, such as one inside another, may call kernels.
    """
    name: str = dispatcher.__name__
    if getattr(sys.modules.get(dispatcher.__module__), name, None) is dispatcher:
        return name
    reduced: tuple[Any, ...] = dispatcher.__reduce__()
    return reduced


def inlined(kernel: Callable[P, R]) -> Callable[P, R]:
    """Inline `kernel` into the kernels that call it in their loops; it must not allocate.

    Compiled without numba's runtime, since counting references would cost more than the kernel.
    """
    import numba

    return cast(Callable[P, R], numba.njit(kernel, nogil=True, forceinline=True, _nrt=False))


def inlined_sum(kernel: Callable[P, R]) -> Callable[P, R]:
    """`inlined`, for a kernel that sums: any order of terms is allowed, so that it vectorises."""
    import numba

    options = {"forceinline": True, "_nrt": False, "fastmath": {"reassoc", "contract"}}
    return cast(Callable[P, R], numba.njit(kernel, nogil=True, **options))


@contextlib.contextmanager
def one_compiles(name: str) -> Iterator[None]:
    """Context for the first call of a kernel: one process of a machine compiles, the others wait.

    Nobody waits any more once the kernels of `name` have been compiled.
    """
    folder = _cache_folder()
    done = folder / f"{name}.compiled" if folder else None
    if done is None or done.exists():
        yield
        return
    with contextlib.ExitStack() as lock:
        with contextlib.suppress(OSError):  # without a lock each process compiles for itself
            fcntl.flock(lock.enter_context(done.with_suffix(".lock").open("w")), fcntl.LOCK_EX)
        yield
    with contextlib.suppress(OSError):
        done.touch()


@functools.cache
def _cache_class() -> Any:
    """Numba's cache class, changed to also cache kernels that come from a wheel on sys.path."""
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
            return "the folder's name"  # which holds the digest of all kernels

        def get_disambiguator(self) -> str:
            return self._module

    class Implementation(caching.CompileResultCacheImpl):  # type: ignore[misc]
        _locator_classes = (Locator,)

    class Cache(caching.FunctionCache):  # type: ignore[misc]
        _impl_class = Implementation

    return Cache


@functools.cache
def _cache_folder() -> Path | None:
    """The first writable cache folder; None if there is none, then each process compiles.

    Its name holds a digest of all kernels, since a kernel must be compiled again if another that it
    calls has changed. It must belong to this user alone, since the code in it is executed.
    """
    digest = _digest(files("udfs"))
    folders = [f"{tempfile.gettempdir()}/captionlake-numba-{os.getuid()}-{digest}"]
    with contextlib.suppress(RuntimeError):  # a user without a home folder
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folders.insert(0, f"{cache}/captionlake/numba/{digest}")
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
    sha256 = hashlib.sha256()
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir() and not item.name.startswith("_"):
            sha256.update(_digest(item).encode())
        elif item.name.endswith(".py"):
            sha256.update(item.name.encode() + b"\0" + item.read_bytes())
    return sha256.hexdigest()[:16]
