"""Index folders in clip-retrieval's layout: image.index or text.index, and metadata/."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.addresses import local_folder
from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.numbered_files import format_numbers, missing_file_numbers, sort_by_number
from spark_jobs.neighbours.index import with_positions
from spark_jobs.storage.file_lists import LITERAL_PATHS
from udfs.faiss_index import IndexFacts, index_facts
from udfs.file_systems import spark_location
from udfs.models.spec import name_of_label
from udfs.task_errors import TaskInputError

Modality = Literal["text", "image"]


@dataclass(frozen=True)
class IndexFolder:
    """Folder of an index and its metadata, which the driver and every worker can open."""

    path: Path

    @classmethod
    def at(cls, address: str) -> "IndexFolder":
        """The folder at an address; SettingsError if not a path that all machines can open."""
        return cls(Path(local_folder(address)))

    def index_file(self, modality: Modality) -> Path:
        """The file of the index."""
        return self.path / f"{modality}.index"

    def read_facts(self, modality: Modality) -> IndexFacts:
        """Read the index's properties, such as its number of vectors.

        Raises InputDataError if the index is missing or unreadable, does not compare by inner
        product, or has another number of vectors than its metadata has rows.
        """
        file = self.index_file(modality)
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
        n_rows = sum(_n_rows(metadata) for metadata in files)
        if n_rows != facts.n_vectors:
            missing = missing_file_numbers(files)
            gap_note = (
                f"; files are missing with the numbers {format_numbers(missing)}" if missing else ""
            )
            raise InputDataError(
                f"index {file}: has {facts.n_vectors:,} vectors, but its metadata has {n_rows:,} "
                f"rows in {len(files)} files{gap_note}; expected a row for each vector, in its "
                "order"
            )
        return facts

    def read_metadata(self, spark: SparkSession) -> DataFrame:
        """Read the metadata rows, with the position of their vectors in the index.

        Files are ordered by number (metadata_2 before metadata_10), or by name if unnumbered.
        Raises InputDataError if there are no files.
        """
        first_positions, n_rows = {}, 0
        files = self._metadata_files()
        for file in files:
            first_positions[file.name] = n_rows
            n_rows += _n_rows(file)
        locations = [spark_location(str(file)) for file in files]
        rows = spark.read.options(**LITERAL_PATHS).parquet(*locations)
        return with_positions(rows, first_positions)

    def _metadata_files(self) -> list[Path]:
        files = sort_by_number((self.path / "metadata").glob("*.parquet"))
        if not files:
            raise InputDataError(f"index {self.path}: has no parquet files in metadata/")
        return files

    def write_indices_json(self, name: str, clip_model: str, served_from: str) -> None:
        """Write indices.json, with which `clip-retrieval back` serves the folder `served_from`."""
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


def _n_rows(file: Path) -> int:
    try:
        return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError) as fault:
        reason = " ".join(str(fault).split())[:120]
        raise InputDataError(f"{file}: cannot be read, it is no parquet file ({reason})") from None
