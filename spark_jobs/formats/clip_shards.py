"""The shards that a CLIP model is trained on: files of paths that open_clip opens."""

from collections.abc import Sequence

from pyspark.sql import SparkSession

from spark_jobs.core.addresses import parse_address
from spark_jobs.core.count_words import few_of
from spark_jobs.core.errors import InputDataError, SettingsError
from spark_jobs.storage.file_lists import list_files_at
from udfs.clip_training.shard_list import Shard, ShardError, shards_of_folder
from udfs.file_systems import plain_path
from udfs.stores import place_of


def refuse_stores(addresses: Sequence[str]) -> None:
    """Raise SettingsError for shards that no path of this machine leads to."""
    for address in addresses:
        location = parse_address(address).location
        if place_of(location) is not None or not plain_path(location).startswith("/"):
            raise SettingsError(
                f"shards {address}: open_clip opens paths: copy the shards to a disk, mount the "
                "store, or call its trainer yourself with --train-data 'pipe:...'"
            )


def list_shards(spark: SparkSession, addresses: Sequence[str]) -> list[Shard]:
    """The shards of all addresses, in order; InputDataError if one has none that can be used."""
    shards: list[Shard] = []
    for address in addresses:
        location = parse_address(address).location
        files = list_files_at(spark, location)
        paths = [plain_path(file.path) for file in files if file.name.endswith(".tar")]
        if not paths:
            others = f"; it holds {few_of([file.name for file in files], 3)}" if files else ""
            raise InputDataError(
                f"shards {address}: no file .tar there; expected shards, as export-webdataset "
                f"writes them{others}"
            )
        try:
            shards += shards_of_folder(paths)
        except ShardError as fault:
            raise InputDataError(f"shards {fault}") from None
    places = {shard.path for shard in shards}
    if len(places) < len(shards):
        raise InputDataError("shards: two of the addresses have the same files; give each once")
    return shards
