"""Paths of data files in installed packages, found without importing the package (and torch)."""

import importlib.util
from pathlib import Path

from spark_jobs.core.errors import SettingsError


def package_file(package: str, *parts: str) -> Path:
    """Path of a file inside an installed package; SettingsError if it is not installed."""
    spec = importlib.util.find_spec(package)
    folder = spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else ""
    path = Path(folder, *parts)
    if not folder or not path.is_file():
        raise SettingsError(
            f"the package {package} with its {parts[-1]} is not installed: "
            "pip install 'captionlake[clip]'"
        )
    return path
