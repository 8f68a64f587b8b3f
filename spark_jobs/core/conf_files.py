"""Files of `conf/`: inside the wheel, even one that is not unpacked, or in the repository."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_LONGEST_NAME = 200  # characters; file systems raise an error for names beyond about 255 bytes


def conf_file(*parts: str) -> Traversable:
    """The file at this path below `conf/`, which need not exist; overlong names are cut."""
    packaged = files("spark_jobs") / "conf"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"
    return folder.joinpath(*(part[-_LONGEST_NAME:] for part in parts))


def conf_file_names(folder: str) -> list[str]:
    """Names, without `.yml` and sorted, of the YAML files in a folder of `conf/`."""
    return sorted(
        f.name.removesuffix(".yml") for f in conf_file(folder).iterdir() if f.name.endswith(".yml")
    )
