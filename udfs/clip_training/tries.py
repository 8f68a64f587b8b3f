"""Files that each try of a training begins anew: mounted folders, as Volumes, refuse to append."""

from pathlib import Path


def parts_of(file: Path) -> list[Path]:
    """What the tries have written to the file, in order; the last is the file itself."""
    earlier = file.parent.glob(f"{file.stem}-*{file.suffix}")
    return [*sorted(earlier, key=_number), *([file] if file.is_file() else [])]


def set_aside(file: Path) -> None:
    """Rename the file that an earlier try has left, if there is one: NAME-1, NAME-2 and so on."""
    if file.is_file():
        file.rename(file.with_stem(f"{file.stem}-{len(parts_of(file))}"))


def _number(part: Path) -> int:
    return int(part.stem.rpartition("-")[2])
