"""cluster-images: the nearest centroid of each vector, and whether a target set is near it."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.core.errors import InputDataError
from spark_jobs.core.row_counts import count_rows
from spark_jobs.core.schemas import CENTROIDS, CLUSTER, CLUSTERS, NEAR_TARGET
from spark_jobs.core.settings import InputAddress, OutputAddress, Settings
from spark_jobs.embedding.driver_vectors import refuse_too_large_for_driver
from spark_jobs.formats.embeddings import (
    Embeddings,
    read_embeddings,
    refuse_repeated_vectors,
)
from spark_jobs.formats.vector_matrices import is_npy, read_centroids, read_npy_matrix
from spark_jobs.neighbours.clusters import (
    centroid_rows,
    lloyd_round,
    with_nearest_centroid,
)
from spark_jobs.neighbours.training import training_vectors
from spark_jobs.running.job import Job
from spark_jobs.storage.batches import batches_that_fit
from spark_jobs.storage.run import Counts, Run
from udfs.kmeans import faiss_centroids
from udfs.nearest_centroids import nearest_centroids
from udfs.vectors import Vectors

_TRAINING_VECTORS_PER_CENTROID = 256  # what faiss' own k-means takes at most


class ClusterImages(Settings):
    """Settings of cluster-images."""

    mutually_exclusive: ClassVar[tuple[str, ...]] = ("centroids", "k")

    embeddings: InputAddress = Field(description="embeddings of images, with uid")
    centroids: InputAddress | None = Field(
        None, description="centroids: an npy file, or a table that this job wrote"
    )
    k: PositiveInt | None = Field(
        None,
        le=10**7,
        description="train so many centroids on the embeddings, which must be unit vectors "
        "(DataComp: 100,000)",
    )
    engine: Literal["faiss", "spark"] = Field(
        "faiss",
        description="with k, who trains: faiss, on the driver; spark, over all rows in tasks",
    )
    iterations: PositiveInt = Field(20, le=10_000, description="with k: rounds of k-means")
    train_rows: PositiveInt | None = Field(
        None, le=10**9, description="with k and faiss: vectors to train on; default: 256 a centroid"
    )
    seed: int = Field(0, description="with k: fixes the vectors that are trained on")
    target: InputAddress | None = Field(
        None,
        description="vectors of the target set, such as ImageNet-1k's images: embeddings, or an "
        "npy file; near_target tells of each row whether one of them has its centroid",
    )
    centroids_output: OutputAddress | None = Field(
        None, description="table of the centroids, with their rows and vectors"
    )
    output: OutputAddress = Field(description="uid, cluster, similarity, near_target")


def run(run: Run, settings: ClusterImages) -> Counts:
    """Take or train centroids, then find the nearest one of each row and of the target set."""
    embeddings = read_embeddings(run, settings.embeddings)
    outputs = {settings.output: CLUSTERS}
    if settings.centroids_output is not None:
        outputs[settings.centroids_output] = CENTROIDS
    run.check_outputs(outputs)
    with batches_that_fit(embeddings.rows):
        centroids = _centroids(run, settings, embeddings)
        is_target = _target_clusters(run, settings, centroids)
        clusters = with_nearest_centroid(
            embeddings.rows, embeddings.key[0], centroids, is_target, settings.embeddings
        )
        if settings.target is None:
            clusters = clusters.withColumn(NEAR_TARGET, F.lit(None).cast("boolean"))
        written = run.write(clusters, settings.output)
    stored = run.read(settings.output, CLUSTERS)
    if settings.centroids_output is not None:
        near = None if settings.target is None else is_target
        run.write(centroid_rows(stored, centroids, near), settings.centroids_output)
    return {
        "rows_in": embeddings.n_rows + embeddings.n_without,
        "rows": written,
        "without_vector": embeddings.n_without,
        "centroids": len(centroids),
        "target_clusters": int(is_target.sum()),
        "near_target": count_rows(stored.where(F.col(NEAR_TARGET))),
    }


def _centroids(run: Run, settings: ClusterImages, embeddings: Embeddings) -> Vectors:
    """Given or trained centroids; InputDataError if they do not fit the embeddings."""
    if settings.centroids is not None:
        centroids = read_centroids(run, settings.centroids)
        _refuse_other_dimension(settings.centroids, centroids.shape[1], embeddings)
        return centroids
    assert settings.k is not None  # as mutually_exclusive has it
    if embeddings.n_rows < settings.k:
        raise InputDataError(
            f"table {settings.embeddings}: has {embeddings.n_rows:,} vectors, fewer than the "
            f"{settings.k:,} centroids; take a smaller k"
        )
    default = _TRAINING_VECTORS_PER_CENTROID * settings.k
    n_train = settings.k if settings.engine == "spark" else settings.train_rows or default
    n_train = min(max(n_train, settings.k), embeddings.n_rows)
    remedy = "train on fewer: train_rows, a smaller k, or engine spark"
    refuse_too_large_for_driver(n_train, embeddings.dimension, settings.embeddings, remedy)
    refuse_repeated_vectors(embeddings, "uid")
    sample = training_vectors(
        embeddings.rows,
        embeddings.key[0],
        n_train,
        settings.seed,
        n_rows=embeddings.n_rows,
        dimension=embeddings.dimension,
        table=settings.embeddings,
    )
    if settings.engine == "faiss":
        return faiss_centroids(sample, settings.k, settings.iterations, settings.seed)
    centroids = sample
    for _ in range(settings.iterations):
        centroids = lloyd_round(embeddings.rows, embeddings.key[0], centroids, settings.embeddings)
    return centroids


def _target_clusters(run: Run, settings: ClusterImages, centroids: Vectors) -> NDArray[np.bool_]:
    """Whether each centroid is the nearest of a vector of the target set, (k,)."""
    is_target = np.zeros(len(centroids), np.bool_)
    if settings.target is None:
        return is_target
    if is_npy(settings.target):
        vectors = read_npy_matrix(run, settings.target)
        _refuse_other_target(settings.target, vectors.shape[1], centroids)
        is_target[nearest_centroids(vectors, centroids)[0]] = True
        return is_target
    target = read_embeddings(run, settings.target)
    _refuse_other_target(settings.target, target.dimension, centroids)
    rows = with_nearest_centroid(target.rows, target.key[0], centroids, is_target, settings.target)
    is_target[[row[CLUSTER] for row in rows.select(CLUSTER).distinct().collect()]] = True
    return is_target


def _refuse_other_dimension(address: str, dimension: int, embeddings: Embeddings) -> None:
    if dimension != embeddings.dimension:
        raise InputDataError(
            f"centroids of {address} have {dimension} numbers, vectors of {embeddings.address} "
            f"{embeddings.dimension}: take those of the same model"
        )


def _refuse_other_target(address: str, dimension: int, centroids: Vectors) -> None:
    if dimension != centroids.shape[1]:
        raise InputDataError(
            f"vectors of the target {address} have {dimension} numbers, the centroids "
            f"{centroids.shape[1]}: take those of the same model"
        )


def closing_lines(_spark: SparkSession, settings: ClusterImages, counts: Counts) -> list[str]:
    """How many rows are near to the target set."""
    if settings.target is None:
        return []
    return [
        f"{counts['near_target']:,} of {counts['rows_in']:,} rows are in the "
        f"{counts['target_clusters']:,} of {counts['centroids']:,} clusters near to the target"
    ]


JOB = Job(
    "cluster-images",
    "Find the cluster of each image, and whether a target set is near to it.",
    ClusterImages,
    run,
    closing_lines=closing_lines,
    example=(
        "captionlake cluster-images --embeddings ./image_vectors --k 1000 \\\n"
        "  --target ./imagenet_vectors --output ./clusters"
    ),
)

if __name__ == "__main__":
    from spark_jobs.running.command_line import run_alone

    run_alone(JOB)
