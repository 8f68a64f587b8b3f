"""Where the packaged `conf/` folder is: in the wheel, also one that is not unpacked, or beside."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def conf_file(*parts: str) -> Traversable:
    """A file below `conf/`; it need not exist."""
    packaged = files("spark_jobs") / "conf"
    folder = packaged if packaged.is_dir() else Path(__file__).parent.parent / "conf"
    return folder.joinpath(*parts)


def named_files(folder: str) -> list[str]:
    """The names of the YAML files that come along in a folder of `conf/`."""
    return sorted(
        f.name.removesuffix(".yml") for f in conf_file(folder).iterdir() if f.name.endswith(".yml")
    )
