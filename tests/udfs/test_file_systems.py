"""Files that are written whole or not at all."""

import os
from pathlib import Path

import pytest

from udfs.file_systems import plain_path, spark_location, write_atomically


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o000, 0o666)])
def test_files_have_the_mode_of_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a" / "b.txt", lambda path: Path(path).write_text("whole"))
    finally:
        os.umask(before)
    assert (tmp_path / "a/b.txt").stat().st_mode & 0o777 == mode
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("old")

    def half(path: str) -> None:
        Path(path).write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "b.txt", half)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("b.txt", "old")]


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("dbfs:/Volumes/main/x/files/a.npy", "/Volumes/main/x/files/a.npy"),
        ("dbfs:///mnt/lake/a.npy", "/dbfs/mnt/lake/a.npy"),
        ("/Volumes/main/x/a.npy", "/Volumes/main/x/a.npy"),
        ("file:/a", "/a"),
        ("s3a://bucket/dbfs:/a", "s3a://bucket/dbfs:/a"),
    ],
)
def test_files_of_databricks_lie_where_it_mounts_them(location: str, path: str) -> None:
    assert plain_path(location) == path


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/Volumes/main/x/a", "/Volumes/main/x/a"),
        ("/dbfs/mnt/lake/a", "dbfs:/mnt/lake/a"),
        ("/data/a", "file:/data/a"),
    ],
)
def test_spark_has_names_of_its_own_for_what_databricks_mounts(path: str, location: str) -> None:
    assert spark_location(path) == location
