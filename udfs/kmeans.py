"""k-means by faiss (Douze et al. 2024) on a matrix of vectors."""

import numpy as np

from udfs.vectors import Vectors


def faiss_centroids(vectors: Vectors, k: int, iterations: int, seed: int) -> Vectors:
    """Centroids (k, dimension) of vectors (n, dimension), n >= k, by squared distance.

    All vectors are used, however many there are a centroid. Of the seed, faiss takes 31 bits.
    """
    import faiss

    clustering = faiss.Kmeans(
        vectors.shape[1],
        k,
        niter=iterations,
        seed=seed & 0x7FFF_FFFF,
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    clustering.train(np.ascontiguousarray(vectors, np.float32))
    return np.asarray(clustering.centroids, np.float32).reshape(k, -1)
