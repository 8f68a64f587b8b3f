"""Files that are numbered by their names, such as metadata_07.parquet, in the order of numbers."""

import re
from collections.abc import Iterable, Sequence
from itertools import chain, islice, pairwise
from pathlib import Path

from spark_jobs.core.errors import InputDataError

_NUMBERED = re.compile(r"(.*?)(\d+)")
_MOST_SHOWN = 10


def by_number(files: Iterable[Path], name: str) -> dict[int, Path]:
    """Number -> file `<name>_<number>`, ascending: 2 before 10, with or without leading zeros.

    Raises InputDataError where a file has another name, or two have one number.
    """
    numbered: dict[int, Path] = {}
    for file in sorted(files):
        match = re.fullmatch(rf"{re.escape(name)}_(\d+)", file.stem)
        if match is None:
            raise InputDataError(f"{file}: expected a name such as {name}_0{file.suffix}")
        number = int(match[1])
        if number in numbered:
            raise InputDataError(f"{file}: has the number of {numbered[number].name}")
        numbered[number] = file
    return dict(sorted(numbered.items()))


def in_order(files: Iterable[Path]) -> list[Path]:
    """By number where all are called alike but for it, else by name."""
    names = sorted(files)
    parts = [_NUMBERED.fullmatch(file.stem) for file in names]
    heads = {part and part[1] for part in parts}
    if len(heads) != 1 or None in heads:
        return names
    return sorted(names, key=lambda file: (int(_number_of(file)), file.name))


def gaps(files: Iterable[Path]) -> list[range]:
    """The numbers that are missing between 0 and the largest; none where names have no numbers."""
    return missing_numbers({int(_number_of(file) or -1) for file in files} - {-1})


def missing_numbers(numbers: Iterable[int]) -> list[range]:
    """Those between 0 and the largest that are not there, in runs: a number may be a date."""
    there = sorted({-1, *numbers})
    between = (range(before + 1, after) for before, after in pairwise(there))
    return [missing for missing in between if missing]


def listed(numbers: Sequence[range]) -> str:
    """The first ten of them for people."""
    n = sum(missing.stop - missing.start for missing in numbers)
    shown = ", ".join(map(str, islice(chain(*numbers), _MOST_SHOWN)))
    return f"{shown} and {n - _MOST_SHOWN:,} more" if n > _MOST_SHOWN else shown


def _number_of(file: Path) -> str:
    match = _NUMBERED.fullmatch(file.stem)
    return match[2] if match else ""
