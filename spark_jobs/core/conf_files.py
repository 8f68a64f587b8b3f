"""Where the packaged `conf/` folder is: in the wheel, also one that is not unpacked, or beside."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_LONGEST_NAME = 200  # characters; the system has its own limit, and no answer beyond it


def conf_file(*parts: str) -> Traversable:
    """A file below `conf/`; it need not exist, and of a name that is too long it does not."""
    packaged = files("spark_jobs") / "conf"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"
    return folder.joinpath(*(part[-_LONGEST_NAME:] for part in parts))


def conf_file_names(folder: str) -> list[str]:
    """The names of the YAML files that come along in a folder of `conf/`."""
    return sorted(
        f.name.removesuffix(".yml") for f in conf_file(folder).iterdir() if f.name.endswith(".yml")
    )
