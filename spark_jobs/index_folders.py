"""Folders of an index as clip-retrieval has them: image.index or text.index, and metadata/."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.addresses import local_folder
from spark_jobs.errors import InputDataError
from spark_jobs.neighbours.index import POSITION, positions

Modality = Literal["text", "image"]


@dataclass(frozen=True)
class IndexFolder:
    """Where the driver and every worker find an index and its metadata."""

    path: Path

    @classmethod
    def at(cls, address: str) -> "IndexFolder":
        """The folder of an address; SettingsError where that is no path that all can open."""
        return cls(Path(local_folder(address)))

    def index(self, modality: Modality) -> Path:
        """The file of the index."""
        return self.path / f"{modality}.index"

    def read_metadata(self, spark: SparkSession) -> DataFrame:
        """Its rows, with the position of their vectors in the index.

        Raises InputDataError where there is none.
        """
        files = sorted((self.path / "metadata").glob("*.parquet"))
        if not files:
            raise InputDataError(f"index {self.path}: has no parquet files in metadata/")
        first, n = {}, 0
        for file in files:
            first[file.name] = n
            n += pq.read_metadata(file).num_rows
        rows = spark.read.parquet(*(f"file:{file}" for file in files))
        return rows.withColumn(POSITION, positions(first))

    def write_names(self, name: str, clip_model: str, modality: Modality) -> None:
        """indices.json, by which `clip-retrieval back` serves the folder, beside it."""
        options = {
            "indice_folder": str(self.path),
            "provide_safety_model": False,
            "enable_faiss_memory_mapping": True,
            "use_arrow": False,
            "enable_hdf5": False,
            "reorder_metadata_by_ivf_index": False,
            "columns_to_return": ["uid", "url", "caption"],
            "clip_model": clip_model.removeprefix("open_clip:"),
            "enable_mclip_option": False,
        }
        (self.path / "indices.json").write_text(json.dumps({name: options}, indent=1))
