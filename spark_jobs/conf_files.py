"""Where the packaged `conf/` folder is: inside an installed wheel, or beside the sources."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def conf_path(*parts: str) -> Path:
    """Path of a file below `conf/`."""
    packaged = _PACKAGE / "conf"
    return (packaged if packaged.is_dir() else _PACKAGE.parent / "conf").joinpath(*parts)
