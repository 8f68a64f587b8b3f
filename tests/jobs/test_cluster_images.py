"""cluster-images: nearest centroids against a plain reference, targets, and k-means itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from spark_jobs.neighbours.clusters import lloyd_round
from tests.delta_tables import read_delta
from udfs.nearest_centroids import nearest_centroids

MODEL = {"model": "open_clip:ViT-L-14", "weights": "abc"}


def write_vectors(path: Path, vectors: NDArray[Any], uids: list[str]) -> Path:
    n = len(uids)
    table = {"uid": uids, "embedding": pa.array([*map(list, vectors)], pa.list_(pa.float32()))}
    pq.write_table(pa.table(table | {key: [value] * n for key, value in MODEL.items()}), path)
    return path


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32)


@pytest.mark.parametrize(("n", "k", "dimension"), [(1, 1, 1), (700, 40, 3), (3_000, 1_100, 24)])
def test_nearest_of_made_up_vectors(n: int, k: int, dimension: int) -> None:
    """Eighths, so that products are exact and often equal: the first centroid stays."""
    draws = np.random.default_rng(n)
    vectors = (draws.integers(-9, 9, (n, dimension)) / 8).astype(np.float32)
    centroids = (draws.integers(-9, 9, (k, dimension)) / 8).astype(np.float32)
    centroids[-1] = centroids[0]
    products = vectors.astype(np.float64) @ centroids.astype(np.float64).T
    cluster, similarity = nearest_centroids(vectors, centroids)
    assert (cluster == products.argmax(axis=1)).all()
    assert (similarity == products.max(axis=1)).all()


def test_clusters_near_to_a_target(captionlake, spark, tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    centroids = draws.normal(size=(12, 8)).astype(np.float32)
    np.save(tmp_path / "centroids.npy", centroids)
    vectors, target = draws.normal(size=(300, 8)).astype(np.float32), centroids[[2, 5, 5]]
    uids = [f"u{number}" for number in range(300)]
    write_vectors(tmp_path / "vectors.parquet", vectors, uids)
    np.save(tmp_path / "target.npy", target.astype(np.float16))
    command = ["cluster-images", "--embeddings", tmp_path / "vectors.parquet"]
    command += ["--centroids", tmp_path / "centroids.npy", "--output", tmp_path / "clusters"]
    outcome = captionlake(*command, "--target", tmp_path / "target.npy")
    assert outcome.exit_code == 0, outcome.stderr
    nearest = (vectors @ centroids.T).argmax(axis=1)
    wanted = set((target @ centroids.T).argmax(axis=1).tolist())
    rows = read_delta(spark, tmp_path / "clusters").collect()
    assert {row.uid: row.cluster for row in rows} == dict(zip(uids, nearest.tolist(), strict=True))
    assert {row.uid for row in rows if row.near_target} == {
        uid for uid, cluster in zip(uids, nearest, strict=True) if cluster in wanted
    }
    near = int(np.isin(nearest, [*wanted]).sum())
    assert outcome.summary["counts"]["near_target"] == near > 0
    np.save(tmp_path / "centroids.npy", centroids[:, :5])
    assert "have 5 numbers, vectors of" in captionlake(*command).error
    np.save(tmp_path / "centroids.npy", np.arange(3))
    assert "expected floats of shape (vectors, dimension)" in captionlake(*command).error


def test_a_round_of_lloyd(spark) -> None:
    """Against distances one by one; a centroid that no vector is near to stays."""
    draws = np.random.default_rng(4)
    vectors = draws.normal(size=(120, 5)).astype(np.float32)
    centroids = np.vstack([draws.normal(size=(6, 5)), np.full((1, 5), 99)]).astype(np.float32)
    frame = spark.createDataFrame(
        [(f"u{n}", vector.tolist()) for n, vector in enumerate(vectors)],
        "uid string, embedding array<float>",
    ).repartition(5)
    distances = ((vectors[:, None] - centroids[None]) ** 2).sum(axis=2)
    nearest = distances.argmin(axis=1)
    expected = centroids.copy()
    for cluster in set(nearest.tolist()):
        expected[cluster] = vectors[nearest == cluster].mean(axis=0)
    assert np.allclose(lloyd_round(frame, "uid", centroids, "t"), expected, atol=1e-6)
    assert (expected[-1] == 99).all()


@pytest.mark.parametrize(("engine", "k"), [("faiss", 3), ("spark", 1)])
def test_trained_centroids(captionlake, spark, tmp_path: Path, engine: str, k: int) -> None:
    """Three bundles of vectors, so far apart that faiss finds them; or the mean of all."""
    draws = np.random.default_rng(1)
    bundles = np.eye(3, 6)[np.arange(90) % 3] + draws.normal(size=(90, 6)) * 0.01
    uids = [f"u{number:02}" for number in range(90)]
    write_vectors(tmp_path / "vectors.parquet", unit(bundles), uids)
    command = ["cluster-images", "--embeddings", tmp_path / "vectors.parquet", "--k", k]
    command += ["--engine", engine, "--output", tmp_path / "clusters", "--seed", 2**40 + 2]
    outcome = captionlake(*command, "--iterations", 3, "--centroids-output", tmp_path / "centroids")
    assert outcome.exit_code == 0, outcome.stderr
    rows = read_delta(spark, tmp_path / "clusters").collect()
    clusters = {row.uid: row.cluster for row in rows}
    stored = read_delta(spark, tmp_path / "centroids").collect()
    means = {row.cluster: np.array(row.embedding) for row in stored}
    assert sum(row.rows for row in stored) == 90
    for cluster, mean in means.items():
        of_cluster = [n for n, uid in enumerate(uids) if clusters[uid] == cluster]
        assert np.allclose(mean, unit(bundles)[of_cluster].mean(axis=0), atol=1e-5)
    assert all(row.near_target is None for row in stored)
    again = ["cluster-images", "--embeddings", tmp_path / "vectors.parquet"]
    again += ["--centroids", tmp_path / "centroids", "--output", tmp_path / "again"]
    assert captionlake(*again).exit_code == 0
    assert "fewer than the 300 centroids" in captionlake(*command, "--k", 300).error
    write_vectors(tmp_path / "vectors.parquet", unit(bundles), [*uids[:89], uids[0]])
    refused = captionlake(*command)
    assert refused.exit_code == 3
    assert "'u00' is there 2 times; expected one vector a uid" in refused.error
