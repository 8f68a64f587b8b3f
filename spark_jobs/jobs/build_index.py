"""build-index: a faiss index over embeddings, in clip-retrieval's layout."""

import os

from pydantic import Field, PositiveInt, field_validator

from spark_jobs.core.addresses import folder_of_files
from spark_jobs.core.errors import InputDataError, SettingsError
from spark_jobs.core.redaction import redacted
from spark_jobs.core.settings import InputAddress, OutputFolder, Settings
from spark_jobs.embedding.driver_vectors import refuse_too_large_for_driver
from spark_jobs.formats.clip_retrieval_index import IndexFolder, Modality
from spark_jobs.formats.embeddings import (
    Embeddings,
    read_embeddings,
    refuse_missing_vectors,
    with_metadata,
)
from spark_jobs.formats.index_records import IndexRecord, write_record
from spark_jobs.neighbours.index import write_shards
from spark_jobs.neighbours.training import training_vectors
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.outputs.local_copies import local_copy
from spark_jobs.storage.run import Counts, Run
from udfs.faiss_index import (
    empty_index,
    index_bytes,
    is_mergeable,
    merge_shards,
    n_lists,
    trained_index,
)
from udfs.vectors import Vectors

_TRAINING_VECTORS_PER_LIST = 64  # faiss warns below 39
_MIN_TRAINING_VECTORS = 10_000
_ROWS_PER_SHARD = 1_000_000
_MEMORY_FRACTION = 0.8  # of the driver's free memory


class BuildIndex(Settings):
    """Settings of build-index."""

    embeddings: InputAddress = Field(description="embeddings, with uid, of texts or of images")
    captions: InputAddress | None = Field(
        None, description="captions whose columns are to stand in the metadata beside uid"
    )
    modality: Modality = Field("text", description="text: text.index; image: image.index")
    factory: str = Field(
        "IVF1024,Flat",
        description="faiss' index factory string, such as Flat or OPQ32_128,IVF4096,PQ32x8",
    )
    train_rows: PositiveInt | None = Field(
        None,
        le=10**9,
        description="vectors to train on; default: 64 for each inverted list, 10,000 at least",
    )
    memory: float | None = Field(
        None,
        le=1e9,
        gt=0,
        description="GB that the index may take; default: 80 % of the driver's free",
    )
    name: str = Field("captionlake", description="of the index in indices.json")
    seed: int = Field(0, description="fixes the vectors that are trained on")
    output: OutputFolder = Field(
        description="folder, seen by every worker or in a store: the index, metadata/, indices.json"
    )

    @field_validator("output")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        folder_of_files(value)
        return value

    def folder_content(self) -> str:
        """Names the modality, so that an index of the other one in the same folder stays."""
        return f"build-index --modality {self.modality}"


def run(run: Run, settings: BuildIndex) -> Counts:
    """Train the index on the driver, fill shards in tasks, and merge them on the driver.

    Refuses beforehand an index larger than memory. Replaces an earlier index of the modality.
    """
    embeddings = read_embeddings(run, settings.embeddings)
    rows = with_metadata(run, embeddings, settings.captions)
    try:
        untrained = empty_index(settings.factory, embeddings.dimension)
    except ValueError as fault:
        raise SettingsError(str(fault)) from None
    _refuse_larger_than_memory(settings, embeddings)
    training_sample = _training_sample(settings, embeddings, n_lists(untrained))
    trained = trained_index(settings.factory, training_sample)
    n_shards = -(-embeddings.n_rows // _ROWS_PER_SHARD) if is_mergeable(untrained) else 1
    metadata = run.output_metadata(settings.output)
    content = settings.folder_content()
    with replaced_folder(settings.output, metadata, content=content) as new_folder:
        with batches_that_fit(embeddings.rows):
            shards = write_shards(rows, trained, new_folder, n_shards, embeddings.address)
        with local_copy(new_folder) as path:
            folder = IndexFolder(path)
            merge_shards(sorted(path.glob("shard_*.index")), folder.index_file(settings.modality))
            n_vectors = folder.read_facts(settings.modality).n_vectors
            refuse_missing_vectors(embeddings, n_vectors, f"index {settings.output}")
            served_from = folder_of_files(settings.output)
            folder.write_indices_json(settings.name, embeddings.model[0], served_from)
            write_record(path, _record(run, settings, embeddings))
            n_bytes = folder.index_file(settings.modality).stat().st_size
    return {
        "vectors": n_vectors,
        "without_vector": embeddings.n_without,
        "trained_on": len(training_sample),
        "shards": len(shards),
        "bytes": n_bytes,
    }


def _training_sample(
    settings: BuildIndex, embeddings: Embeddings, n_inverted_lists: int
) -> Vectors:
    """Draw the vectors to train on.

    Raises InputDataError if they are fewer than the inverted lists, or more than the driver takes.
    """
    default = max(_MIN_TRAINING_VECTORS, _TRAINING_VECTORS_PER_LIST * n_inverted_lists)
    n_train = min(settings.train_rows or default, embeddings.n_rows)
    if n_train < n_inverted_lists:
        raise InputDataError(
            f"factory {settings.factory!r} has {n_inverted_lists} lists, but there are only "
            f"{n_train} vectors to train on; take fewer lists, or Flat"
        )
    n_rows, dimension = embeddings.n_rows, embeddings.dimension
    remedy = "train on fewer: --train-rows"
    refuse_too_large_for_driver(n_train, dimension, embeddings.address, remedy)
    return training_vectors(
        embeddings.rows,
        embeddings.key[0],
        n_train,
        settings.seed,
        n_rows=n_rows,
        dimension=dimension,
        table=embeddings.address,
    )


def _record(run: Run, settings: BuildIndex, embeddings: Embeddings) -> IndexRecord:
    return IndexRecord(
        model=embeddings.model[0],
        weights=embeddings.model[1],
        dimension=embeddings.dimension,
        metric="inner_product",
        vectors=embeddings.n_rows,
        factory=settings.factory,
        embeddings=redacted(embeddings.address),
        version=run.inputs.get(embeddings.address),
    )


def _refuse_larger_than_memory(settings: BuildIndex, embeddings: Embeddings) -> None:
    n_rows = embeddings.n_rows
    needed_bytes = index_bytes(settings.factory, embeddings.dimension, n_rows)
    free_bytes = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    allowed_bytes = settings.memory * 1e9 if settings.memory else _MEMORY_FRACTION * free_bytes
    if needed_bytes > allowed_bytes:
        raise InputDataError(
            f"factory {settings.factory!r} over {n_rows:,} vectors needs "
            f"{needed_bytes / 1e9:.3g} GB, and {allowed_bytes / 1e9:.3g} GB are there: take "
            "smaller codes, such as IVF4096,PQ32x8, more memory, or search-neighbours without an "
            "index, which needs none"
        )


JOB = Job(
    "build-index",
    "Build a faiss index over embeddings, in clip-retrieval's folder layout.",
    BuildIndex,
    run,
    shared_folders=("output",),
    example="captionlake build-index --embeddings ./image_vectors --output ./index",
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
