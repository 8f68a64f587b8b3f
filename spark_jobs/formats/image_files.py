"""Read images of any layout: webdataset shards, img2dataset's files and parquet, image folders."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.count_words import few_of
from spark_jobs.core.errors import InputDataError
from spark_jobs.storage.file_lists import ListedFile, list_files_at
from spark_jobs.storage.hidden_files import HIDDEN, hidden_files
from udfs.file_systems import plain_path
from udfs.images import samples, sources
from udfs.images.samples import Checks, file_name
from udfs.images.shard_files import LEDGER, PLANNED
from udfs.images.sources import Kind, Source, is_shard

_log = logging.getLogger(__name__)
_MOST_FILES, _MOST_BYTES = 500, 64 << 20  # of a group of loose files
_MOST_TASKS = 10_000
_TEXTS = ArrayType(StringType())
_SOURCES = StructType(
    [
        StructField(sources.KIND, StringType()),
        *(StructField(name, _TEXTS) for name in (sources.NAMES, sources.PATHS, sources.RECORDS)),
    ]
)
_TYPES = {
    **dict.fromkeys((samples.WIDTH, samples.HEIGHT), IntegerType()),
    **dict.fromkeys((samples.POSITION, samples.OTHERS), LongType()),
    samples.IMAGE: BinaryType(),
}
# schemas.IMAGES, and what arranging needs: extension, record (JSON) and position in its source. A
# row without uid has in `others` the number of files that are neither images nor their records.
SAMPLES = StructType(
    [StructField(name, _TYPES.get(name, StringType())) for name in samples.COLUMNS.names]
)
# Files that stand beside images and are not counted.
_BESIDE_IMAGES = ("txt", "cls", "json")


@dataclass(frozen=True)
class ImageFiles:
    """The files of an input, in parts that a task reads each; `others`: files that are none."""

    sources: Sequence[Source]
    others: Sequence[str]


def list_image_files(spark: SparkSession, location: str) -> ImageFiles:
    """The shards, parquet files and images of a folder, file or glob, mixed as they may be.

    Raises InputDataError if there is none of them.
    """
    files = list_files_at(spark, location)
    names = _relative_names([plain_path(file.path) for file in files], location)
    by_kind: dict[Kind | None, list[tuple[str, ListedFile]]] = {}
    for name, file in zip(names, files, strict=True):
        by_kind.setdefault(_kind_of(file.name), []).append((name, file))
    others = by_kind.pop(None, [])
    if not by_kind:
        seen = f"; it holds {few_of([name for name, _ in others], 3)}" if others else ""
        raise InputDataError(
            f"{location}: no images: expected shards (.tar), img2dataset's parquet or files, or "
            f"image files (.jpg, .png, .webp ...){seen}"
        )
    single = [
        Source(kind, [name], [file.path], [None])
        for kind in ("tar", "parquet")
        for name, file in by_kind.get(kind, [])
    ]
    records = {
        file_name(name).stem: file.path for name, file in others if file_name(name).kind == "record"
    }
    loose = [*_groups(by_kind.get("files", []), records)]
    left = [
        name
        for name, file in others
        if file_name(file.name).extension.lower() not in _BESIDE_IMAGES
    ]
    _warn_of_unread(location, left)
    return ImageFiles([*single, *loose], left)


def _warn_of_unread(location: str, others: Sequence[str]) -> None:
    """Log the files that are no images, and those that Spark passes over although they may be."""
    if others:
        _log.warning("%s: left unread: %s", location, few_of(others, 3))
    # The plans and ledgers of download-images are parquet too.
    paths = [path.split("/") for path in hidden_files(location)]
    hidden = [path[-1] for path in paths if _kind_of(path[-1]) and not {PLANNED, LEDGER} & {*path}]
    if hidden:
        _log.warning("%s: left unread: %s: %s; rename them", location, few_of(hidden, 3), HIDDEN)


def read_image_files(spark: SparkSession, files: ImageFiles, checks: Checks) -> DataFrame:
    """Rows of SAMPLES: one per image, and for what else a source holds."""
    return map_in_arrow(source_rows(spark, files), sources.read_sources(checks), SAMPLES)


def source_rows(spark: SparkSession, files: ImageFiles) -> DataFrame:
    """A row per source, as `udfs.images.sources.read_sources` reads them, each in its own task."""
    frame = spark.createDataFrame([tuple(source) for source in files.sources], _SOURCES)
    return frame.repartition(min(len(files.sources), _MOST_TASKS))


def _kind_of(name: str) -> Kind | None:
    if is_shard(name):
        return "tar"
    if name.lower().endswith(".parquet"):
        return "parquet"
    return "files" if file_name(name).kind == "image" else None


def _relative_names(paths: Sequence[str], location: str) -> list[str]:
    """The paths below the location; below the folders that all have, where it is file or glob."""
    root = plain_path(location).rstrip("/")
    if not all(path.startswith(f"{root}/") for path in paths):
        folders = [path.split("/")[:-1] for path in paths]
        n_shared = 0
        for parts in zip(*folders, strict=False):
            if len(set(parts)) > 1:
                break
            n_shared += 1
        root = "/".join(folders[0][:n_shared])
    return [path[len(root) + 1 :] for path in paths]


def _groups(images: Sequence[tuple[str, ListedFile]], records: dict[str, str]) -> Iterator[Source]:
    """Loose files in groups of up to 500 and, if there are several, 64 MB."""
    group: list[tuple[str, ListedFile]] = []
    n_bytes = 0
    for name, file in images:
        is_full = len(group) == _MOST_FILES or n_bytes + file.size > _MOST_BYTES
        if group and is_full:
            yield _source_of(group, records)
            group, n_bytes = [], 0
        group.append((name, file))
        n_bytes += file.size
    if group:
        yield _source_of(group, records)


def _source_of(group: Sequence[tuple[str, ListedFile]], records: dict[str, str]) -> Source:
    names = [name for name, _ in group]
    paths = [file.path for _, file in group]
    return Source("files", names, paths, [records.get(file_name(name).stem) for name in names])
