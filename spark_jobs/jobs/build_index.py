"""build-index: a faiss index over embeddings, in clip-retrieval's layout."""

import os
import shutil

from pydantic import Field, PositiveInt, field_validator

from spark_jobs.arrow_batches import batches_that_fit
from spark_jobs.embedding_reading import Embeddings, read_embeddings, with_metadata
from spark_jobs.errors import InputDataError, OutputTableError, SettingsError
from spark_jobs.index_folders import IndexFolder, Modality
from spark_jobs.job import Counts, Job, Run
from spark_jobs.neighbours.index import sample, write_shards
from spark_jobs.settings import InputAddress, OutputAddress, Settings
from udfs.faiss_index import (
    empty_index,
    index_bytes,
    is_mergeable,
    merge_shards,
    n_lists,
    trained_index,
)

_VECTORS_PER_LIST = 64  # that a list is trained on; faiss warns below 39
_LEAST_TRAINED = 10_000
_ROWS_PER_SHARD = 1_000_000
_SHARE_OF_MEMORY = 0.8


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
        None, description="vectors to train on; default: 64 for each inverted list, 10,000 at least"
    )
    memory: float | None = Field(
        None, gt=0, description="GB that the index may take; default: 80 % of the driver's free"
    )
    name: str = Field("captionlake", description="of the index in indices.json")
    seed: int = Field(0, description="fixes the vectors that are trained on")
    output: OutputAddress = Field(
        description="folder, seen by every worker: the index, metadata/ and indices.json"
    )

    @field_validator("output")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        IndexFolder.at(value)
        return value


def run(run: Run, settings: BuildIndex) -> Counts:
    """Estimate, train on the driver, fill shards in tasks, merge."""
    folder = IndexFolder.at(settings.output)
    embeddings = read_embeddings(run, settings.embeddings)
    rows = with_metadata(run, embeddings, settings.captions)
    n = embeddings.n_rows
    try:
        kind = empty_index(settings.factory, embeddings.dimension)
    except ValueError as fault:
        raise SettingsError(str(fault)) from None
    _refuse_too_large(settings, embeddings, n)
    _clear(folder)
    n_train = settings.train_rows or max(_LEAST_TRAINED, _VECTORS_PER_LIST * n_lists(kind))
    vectors = sample(embeddings.rows, n_train, settings.seed)
    if len(vectors) < n_lists(kind):
        raise InputDataError(
            f"factory {settings.factory!r} has {n_lists(kind)} lists, but there are only "
            f"{len(vectors)} vectors to train on; take fewer lists, or Flat"
        )
    trained = trained_index(settings.factory, vectors)
    n_shards = max(1, -(-n // _ROWS_PER_SHARD)) if is_mergeable(kind) else 1
    with batches_that_fit(embeddings.rows):
        shards = write_shards(rows, trained, str(folder.path), n_shards)
    files = sorted(folder.path.glob("shard_*.index"))
    merged = merge_shards(files, folder.index(settings.modality))
    folder.write_names(settings.name, embeddings.model[0], settings.modality)
    size = folder.index(settings.modality).stat().st_size
    return {"vectors": merged, "trained_on": len(vectors), "shards": len(shards), "bytes": size}


def _refuse_too_large(settings: BuildIndex, embeddings: Embeddings, n: int) -> None:
    needed = index_bytes(settings.factory, embeddings.dimension, n)
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    allowed = settings.memory * 1e9 if settings.memory else _SHARE_OF_MEMORY * free
    if needed > allowed:
        raise InputDataError(
            f"factory {settings.factory!r} over {n:,} vectors needs {needed / 1e9:.3g} GB, and "
            f"{allowed / 1e9:.3g} GB are there: take smaller codes, such as IVF4096,PQ32x8, more "
            "memory, or search-neighbours without an index, which needs none"
        )


def _clear(folder: IndexFolder) -> None:
    """Make the folder, without what an earlier index left; others' files are refused."""
    ours = {"metadata", "indices.json", "text.index", "image.index"}
    there = list(folder.path.iterdir()) if folder.path.is_dir() else []
    foreign = [file.name for file in there if file.name not in ours and "shard_" not in file.name]
    if foreign:
        raise OutputTableError(
            f"output {folder.path} holds other files, such as {sorted(foreign)[0]}; "
            "give another output or remove them"
        )
    for file in there:
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    folder.path.mkdir(parents=True, exist_ok=True)


JOB = Job(
    "build-index",
    "Build a faiss index over embeddings, in clip-retrieval's layout.",
    BuildIndex,
    run,
)

if __name__ == "__main__":
    from spark_jobs.cli import run_alone

    run_alone(JOB)
