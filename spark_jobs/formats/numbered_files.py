"""Files with a number in their name, such as metadata_07.parquet, in numeric order."""

import re
from collections.abc import Iterable, Sequence
from itertools import chain, islice, pairwise
from pathlib import Path, PurePosixPath

from spark_jobs.core.errors import InputDataError

_NUMBERED = re.compile(r"(.*?)(\d+)")
_MAX_SHOWN = 10


def files_by_number(
    files: Iterable[PurePosixPath], name: str, folder: str
) -> dict[int, PurePosixPath]:
    """Files named `<name>_<number>` by number, ascending: 2 before 10, leading zeros allowed.

    Raises InputDataError, naming the file in `folder`, if a file has another name, or two files
    have the same number.
    """
    numbered: dict[int, PurePosixPath] = {}
    for file in sorted(files):
        match = re.fullmatch(rf"{re.escape(name)}_(\d+)", file.stem)
        if match is None:
            raise InputDataError(f"{folder}/{file}: expected a name such as {name}_0{file.suffix}")
        number = int(match[1])
        if number in numbered:
            raise InputDataError(f"{folder}/{file}: has the number of {numbered[number].name}")
        numbered[number] = file
    return dict(sorted(numbered.items()))


def sort_by_number(files: Iterable[Path]) -> list[Path]:
    """Sort by number if the names differ in nothing else, otherwise by name."""
    sorted_by_name = sorted(files)
    matches = [_NUMBERED.fullmatch(file.stem) for file in sorted_by_name]
    prefixes = {match and match[1] for match in matches}
    if len(prefixes) != 1 or None in prefixes:
        return sorted_by_name
    return sorted(sorted_by_name, key=lambda file: (int(_number_digits(file)), file.name))


def missing_file_numbers(files: Iterable[Path]) -> list[range]:
    """Missing numbers between 0 and the largest at the end of a name, as ranges.

    Names that do not end in a number are ignored.
    """
    return missing_numbers({int(_number_digits(file) or -1) for file in files} - {-1})


def missing_numbers(numbers: Iterable[int]) -> list[range]:
    """Numbers missing between 0 and the largest, as ranges: gaps may be huge if it is a date."""
    existing = sorted({-1, *numbers})
    gaps = (range(before + 1, after) for before, after in pairwise(existing))
    return [gap for gap in gaps if gap]


def format_numbers(numbers: Sequence[range]) -> str:
    """Text of the first ten numbers, for messages."""
    n_numbers = sum(run.stop - run.start for run in numbers)
    shown = ", ".join(map(str, islice(chain(*numbers), _MAX_SHOWN)))
    return f"{shown} and {n_numbers - _MAX_SHOWN:,} more" if n_numbers > _MAX_SHOWN else shown


def _number_digits(file: Path) -> str:
    """The digits at the end of a file's name, empty if there are none."""
    match = _NUMBERED.fullmatch(file.stem)
    return match[2] if match else ""
