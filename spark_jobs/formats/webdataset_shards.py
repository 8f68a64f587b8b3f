"""Shards of samples for webdataset's readers, all of one size, with open_clip's sizes.json."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow.fs as pafs
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from spark_jobs.core.arrow_mapping import map_in_arrow
from spark_jobs.core.errors import InputDataError
from spark_jobs.core.schemas import CAPTION, IMAGE, KEY, UID
from spark_jobs.storage.outputs.folders import refuse_missing_files, write_file
from spark_jobs.training.places import PLACE
from udfs.file_systems import file_system
from udfs.images import webdataset_shards as shards
from udfs.images.samples import POSITION, RECORD
from udfs.images.webdataset_shards import shard_name, write_shards

SIZES = "sizes.json"
_MOST_BROADCAST = 64 << 20  # bytes of samples that workers get, so that images are shuffled once
_WRITTEN = StructType(
    [
        StructField(shards.NAME, StringType()),
        StructField(shards.ROWS, LongType()),
        StructField(shards.BYTES, LongType()),
    ]
)


@dataclass(frozen=True)
class ShardSizes:
    """`samples_per_shard` in each shard, but for the last."""

    n_samples: int
    samples_per_shard: int

    @property
    def n_shards(self) -> int:
        """The number of shards."""
        return -(-self.n_samples // self.samples_per_shard)

    def by_name(self) -> dict[str, int]:
        """Name of each shard -> its samples."""
        last = self.n_samples - (self.n_shards - 1) * self.samples_per_shard
        sizes = [self.samples_per_shard] * (self.n_shards - 1) + [last]
        return {shard_name(n, self.n_shards): size for n, size in enumerate(sizes)}


def write_webdataset(
    samples: DataFrame, images: DataFrame, folder: str, sizes: ShardSizes, sample_bytes: int
) -> dict[str, int]:
    """Write the shards that the folder has not, and sizes.json; name of each shard -> its samples.

    `samples`: uid, key and position of an image, caption, record, and place, which decides shard
    and key; `sample_bytes`: of all. `images`: the bytes of these images, and of others. Raises
    InputDataError if a shard did not get its samples, as where images change meanwhile.
    """
    expected = sizes.by_name()
    done = _sizes_of_files(folder, expected)
    if done:
        samples = _without_shards(samples, done, sizes)
    key = [UID, KEY, POSITION]
    # Of images Spark knows no sizes: it might take them for the small side, and collect them.
    is_small = sample_bytes <= _MOST_BROADCAST
    placed = F.broadcast(samples) if is_small else samples.hint("merge")
    rows = (
        images.where(F.col(IMAGE).isNotNull())
        .select(*key, IMAGE)
        .join(placed, on=key, how="inner")
        .withColumn(shards.SHARD, _shard_of_place(sizes))
        .repartition(sizes.n_shards, shards.SHARD)
        .sortWithinPartitions(shards.SHARD, PLACE)
        .select(
            shards.SHARD,
            F.col(PLACE).alias(shards.PLACE),
            F.col(IMAGE).alias(shards.IMAGE),
            F.col(CAPTION).alias(shards.TEXT),
            F.col(RECORD).alias(shards.RECORD),
        )
    )
    written = map_in_arrow(rows, write_shards(folder, sizes.n_shards), _WRITTEN).collect()
    found = {row[shards.NAME]: row[shards.ROWS] for row in written}
    found |= {name: expected[name] for name in done}
    if found != expected:
        n_found = sum(found.values())
        why = "images changed while they were read; run again"
        if n_found > sizes.n_samples:
            why = "images share uid, key and place in their shard: leave copies of shards out"
        raise InputDataError(
            f"{sizes.n_samples:,} samples were to be written, but {n_found:,} images came: {why}"
        )
    refuse_missing_files(folder, done | {row[shards.NAME]: row[shards.BYTES] for row in written})
    write_file(f"{folder}/{SIZES}", json.dumps(expected, indent=1).encode())
    return expected


def _sizes_of_files(folder: str, names: Iterable[str]) -> dict[str, int]:
    """Name -> bytes of the files that are there: a shard has its name once it is whole."""
    system, path = file_system(folder)
    infos = system.get_file_info([f"{path}/{name}" for name in names])
    return {info.base_name: info.size for info in infos if info.type == pafs.FileType.File}


def _without_shards(samples: DataFrame, done: Iterable[str], sizes: ShardSizes) -> DataFrame:
    numbers = [(int(name.removesuffix(".tar")),) for name in done]
    shards_done = samples.sparkSession.createDataFrame(numbers, f"{shards.SHARD} int")
    return (
        samples.withColumn(shards.SHARD, _shard_of_place(sizes))
        .join(F.broadcast(shards_done), on=shards.SHARD, how="left_anti")
        .drop(shards.SHARD)
    )


def _shard_of_place(sizes: ShardSizes) -> Column:
    return F.floor(F.col(PLACE) / sizes.samples_per_shard).cast("int")
