"""PySpark's daemon of Python workers, without what these would do again before and after each task.

A worker reads the contents of all archives on its path anew before a task, 50 ms with the three
that Spark puts there, and lets the garbage collector go through all objects after it, 15 ms once
pandas is imported and 100 ms once torch is. Where a table has few rows, that is most of the task.

Run as a program in the place of `pyspark.daemon`, in local mode.
"""

import gc
import runpy
import sys
from pathlib import Path


def drop_archives(path: list[str]) -> list[str]:
    """The search path without Spark's archives whose packages are installed beside them as files.

    Spark puts pyspark.zip, py4j's archive and a jar in front of the path. In an installation by pip
    they lie in the folder of the package `pyspark` itself, and hold what is installed there.
    """
    packages = {Path(entry) / "pyspark" for entry in path}
    installed = {str(folder) for folder in packages if (folder / "__init__.py").is_file()}
    return [
        entry
        for entry in path
        if not (
            entry.endswith((".zip", ".jar"))
            and any(entry.startswith(f"{folder}/") for folder in installed)
        )
    ]


class _FrozenModules:
    """Lets no later collection go through the objects of modules that a worker has imported."""

    def __init__(self) -> None:
        self._n_modules = 0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        """After a whole collection, take what has survived out of later ones if modules came."""
        if phase == "stop" and info["generation"] == 2 and len(sys.modules) > self._n_modules:
            self._n_modules = len(sys.modules)
            gc.freeze()


if __name__ == "__main__":
    sys.path[:] = drop_archives(sys.path)
    for entry in sys.path_importer_cache.keys() - set(sys.path):
        del sys.path_importer_cache[entry]
    gc.callbacks.append(_FrozenModules())
    runpy.run_module("pyspark.daemon", run_name="__main__")
