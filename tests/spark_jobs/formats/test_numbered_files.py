"""Files in the order of their numbers."""

from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.numbered_files import (
    files_by_number,
    format_numbers,
    missing_file_numbers,
    sort_by_number,
)


@pytest.mark.parametrize("digits", [1, 2, 5])
def test_numbers_not_names_say_what_follows_what(digits: int) -> None:
    draws = np.random.default_rng(digits)
    for _ in range(50):
        numbers = draws.choice(200, draws.integers(1, 40), replace=False).tolist()
        names = [f"/m/metadata_{n:0{digits}}.parquet" for n in numbers]
        files = [*map(Path, names)]
        expected = sorted(numbers)
        assert [int(file.stem[9:]) for file in sort_by_number(files)] == expected
        assert list(files_by_number(map(PurePosixPath, names), "metadata", "/f")) == expected
        missing = [n for n in range(max(numbers)) if n not in numbers]
        assert [n for run in missing_file_numbers(files) for n in run] == missing


def test_names_without_numbers_go_by_name() -> None:
    names = ["part-00001-ab.c000.snappy", "part-00000-cd.c000.snappy", "x_2", "x_10"]
    files = [Path(f"/m/{name}.parquet") for name in names]
    assert [file.stem for file in sort_by_number(files)] == sorted(names)
    assert missing_file_numbers(files[:2]) == []


def test_two_of_a_number_and_another_name_are_refused() -> None:
    with pytest.raises(InputDataError, match="has the number of metadata_01"):
        files_by_number(
            [PurePosixPath("metadata_1.parquet"), PurePosixPath("metadata_01.parquet")],
            "metadata",
            "/f",
        )
    with pytest.raises(InputDataError, match="expected a name such as metadata_0"):
        files_by_number([PurePosixPath("meta.parquet")], "metadata", "/f")


def test_the_first_ten_are_listed() -> None:
    assert format_numbers([range(1, 2), range(3, 4)]) == "1, 3"
    assert format_numbers([range(14)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 4 more"


def test_a_number_may_be_a_date() -> None:
    files = [Path("metadata_0.parquet"), Path(f"metadata_{10**30}.parquet")]
    assert format_numbers(missing_file_numbers(files)).startswith(
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 999,999,999,"
    )
