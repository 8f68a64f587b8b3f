"""Folders of an index as clip-retrieval has them: image.index or text.index, and metadata/."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.addresses import local_folder
from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.numbered_files import gaps, in_order, listed
from spark_jobs.neighbours.index import with_positions
from spark_jobs.storage.file_lists import LITERAL_PATHS
from udfs.faiss_index import IndexFacts, index_facts
from udfs.models.spec import name_of_label
from udfs.task_errors import TaskInputError

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

    def facts(self, modality: Modality) -> IndexFacts:
        """What the index says of itself.

        Raises InputDataError where it is not there or none, does not compare by inner product, or
        has not as many vectors as its metadata has rows.
        """
        file = self.index(modality)
        if not file.is_file():
            raise InputDataError(f"index {self.path}: has no {file.name}")
        try:
            facts = index_facts(str(file))
        except TaskInputError as fault:
            raise InputDataError(str(fault)) from None
        if not facts.is_by_inner_product:
            raise InputDataError(
                f"index {file}: compares by distance (L2) or another metric, expected inner "
                "products, which are cosines of unit vectors: build it again with build-index, or "
                "search its --embeddings without an index"
            )
        files = self._metadata_files()
        n_rows = sum(_rows_of(metadata) for metadata in files)
        if n_rows != facts.n_vectors:
            missing = gaps(files)
            numbers = f"; files are missing with the numbers {listed(missing)}" if missing else ""
            raise InputDataError(
                f"index {file}: has {facts.n_vectors:,} vectors, but its metadata has {n_rows:,} "
                f"rows in {len(files)} files{numbers}; expected a row for each vector, in its order"
            )
        return facts

    def read_metadata(self, spark: SparkSession) -> DataFrame:
        """Its rows, with the position of their vectors in the index.

        The files follow each other by number (metadata_2 before metadata_10), or by name where
        they have none. Raises InputDataError where there is none.
        """
        first, n = {}, 0
        files = self._metadata_files()
        for file in files:
            first[file.name] = n
            n += _rows_of(file)
        rows = spark.read.options(**LITERAL_PATHS).parquet(*(f"file:{file}" for file in files))
        return with_positions(rows, first)

    def _metadata_files(self) -> list[Path]:
        files = in_order((self.path / "metadata").glob("*.parquet"))
        if not files:
            raise InputDataError(f"index {self.path}: has no parquet files in metadata/")
        return files

    def write_names(self, name: str, clip_model: str, served_from: str) -> None:
        """indices.json, by which `clip-retrieval back` serves the folder where it will stand."""
        options = {
            "indice_folder": served_from,
            "provide_safety_model": False,
            "enable_faiss_memory_mapping": True,
            "use_arrow": False,
            "enable_hdf5": False,
            "reorder_metadata_by_ivf_index": False,
            "columns_to_return": ["uid", "url", "caption"],
            "clip_model": name_of_label(clip_model).removeprefix("open_clip:"),
            "enable_mclip_option": False,
        }
        (self.path / "indices.json").write_text(json.dumps({name: options}, indent=1))


def _rows_of(file: Path) -> int:
    try:
        return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError) as fault:
        reason = " ".join(str(fault).split())[:120]
        raise InputDataError(f"{file}: cannot be read, it is no parquet file ({reason})") from None
