"""Files listed without Spark are those that Spark lists, with the same sizes, times and URIs."""

import os
import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.errors import InputDataError
from spark_jobs.storage import file_lists
from spark_jobs.storage.file_lists import LITERAL_PATHS, ListedFile, list_files_at
from spark_jobs.storage.local_files import plain_files_at

NAMES = [
    *("a.json", "b.parquet", "c", "_hidden", ".dot", "_p=1", "p=1", "part-00000-x.c000.txt.gz"),
    *("a b", "ä.txt", "x%20y", "q?", "[z]", "plus+", "comma,x", "at@x", "colon:x", "#h"),
    *("_metadata", "_common_metadata_", "x._COPYING_", "-", "a'b"),
]


def by_spark(spark: SparkSession, location: str) -> list[ListedFile]:
    """The listing by Spark's own reader."""
    reader = file_lists._reader(spark).options(**LITERAL_PATHS)
    return sorted(file_lists._list(reader, location), key=lambda file: file.path)


def make_tree(draw: random.Random, folder: Path, depth: int) -> None:
    for name in draw.sample(NAMES, draw.randint(0, 4)):
        if depth and draw.random() < 0.4:
            (folder / name).mkdir()
            make_tree(draw, folder / name, depth - 1)
        else:
            (folder / name).write_bytes(b"x" * draw.choice([0, 1, 1000]))
            time_ns = draw.randrange(10**18, 2 * 10**18)
            os.utime(folder / name, ns=(time_ns, time_ns))


def test_trees(spark: SparkSession, tmp_path: Path) -> None:
    draw, n_listed_here = random.Random(5), 0
    for number in range(40):
        folder = tmp_path / str(number)
        folder.mkdir()
        make_tree(draw, folder, depth=2)
        here = plain_files_at(str(folder))
        if here is not None:
            n_listed_here += 1
            assert [ListedFile(*file) for file in here] == by_spark(spark, str(folder))
    assert n_listed_here > 8


@pytest.mark.parametrize("location", ["a.json", "file:a.json", "folder", "folder/", "_p=1"])
def test_places(spark: SparkSession, tmp_path: Path, location: str) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "_p=1").write_text("{}")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "b").write_text("b")
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "a.json")
    scheme, _, name = location.rpartition(":")
    place = f"{scheme}{':' if scheme else ''}{tmp_path}/{name}"
    listed = [ListedFile(*file) for file in plain_files_at(place)]
    assert listed == by_spark(spark, place) == list_files_at(spark, place) != []


@pytest.mark.parametrize(
    "make",
    [
        lambda p: (p / "x").symlink_to(p / "absent"),
        lambda p: (p / "x").symlink_to(p.parent),
        lambda p: os.mkfifo(p / "x"),
        lambda p: (p / "a b").touch(),
    ],
)
def test_what_is_not_plain_is_left_to_spark(tmp_path: Path, make) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    make(folder)
    assert plain_files_at(str(folder)) is None
    assert plain_files_at("s3://bucket/x") is None
    (tmp_path / ".hidden").touch()
    assert plain_files_at(str(tmp_path / ".hidden")) is None


def test_nothing_there(spark: SparkSession, tmp_path: Path) -> None:
    for name in ("absent", "absent/b", "ab*ent"):
        with pytest.raises(InputDataError, match="does not exist"):
            list_files_at(spark, f"{tmp_path}/{name}")
