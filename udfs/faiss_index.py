"""Approximate indices of faiss (Douze et al. 2024): train on a sample, fill in shards, search."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import write_atomically
from udfs.neighbours import blocks
from udfs.task_errors import TaskInputError
from udfs.tasks import task_number
from udfs.vectors import LENGTH_TOLERANCE, Vectors, unit_matrix

_ADD_ROWS = 1 << 16
_ID_BYTES = 8
_MOST_BY_CODES = 1.5  # largest estimate from codes of a product of unit vectors, which is <= 1
SHARD, ROWS = "shard", "rows"


def empty_index(factory: str, dimension: int) -> Any:
    """An untrained index for inner products; ValueError if faiss rejects the factory string."""
    import faiss

    try:
        return faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    except Exception as fault:  # faiss raises RuntimeError with C++ text, or AssertionError
        reason = " ".join(str(fault).split())[-150:]
        raise ValueError(f"factory {factory!r}: faiss cannot make it ({reason})") from None


def index_bytes(factory: str, dimension: int, n_rows: int) -> int:
    """Memory of the filled index in bytes: codes, ids, graph links and centroids."""
    import faiss

    index = empty_index(factory, dimension)
    inner: Any = faiss.downcast_index(index.index) if hasattr(index, "index") else index
    link_bytes, code_index = 0, index
    if hasattr(inner, "hnsw"):
        link_bytes = 4 * 2 * int(inner.hnsw.nb_neighbors(1)) + _ID_BYTES
        code_index = faiss.downcast_index(inner.storage)
    centroids = 4 * dimension * n_lists(index)
    return int((code_index.sa_code_size() + _ID_BYTES + link_bytes) * n_rows + centroids)


def n_lists(index: Any) -> int:
    """Number of inverted lists; 0 if the index has none."""
    import faiss

    try:
        return int(faiss.extract_index_ivf(index).nlist)
    except RuntimeError:
        return 0


def is_mergeable(index: Any) -> bool:
    """Whether shards of such an index can be merged: flat and inverted ones can, graphs cannot."""
    import faiss

    return n_lists(index) > 0 or isinstance(faiss.downcast_index(index), faiss.IndexFlatCodes)


def trained_index(factory: str, sample: Vectors) -> bytes:
    """Train an index on the sample (n, dimension), and serialise it while it is empty."""
    import faiss

    index = empty_index(factory, sample.shape[1])
    index.train(np.ascontiguousarray(sample))
    return bytes(faiss.serialize_index(index))


def fill_shards(trained: bytes, folder: str, n_digits: int, table: str) -> BatchFunction:
    """The mapInArrow function that writes uid, embedding and metadata columns to a shard per task.

    Files `<folder>/shard_<n>.index` and `<folder>/metadata/metadata_<n>.parquet`, with a row for
    each vector, in their order; written atomically. Output columns: shard, rows. Raises
    TaskInputError if a vector of `table` is not of unit length.
    """

    def fill(batches: Batches) -> Iterator[pa.RecordBatch]:
        import faiss

        shard = task_number()
        index = faiss.deserialize_index(np.frombuffer(trained, np.uint8))
        metadata = []
        for block in blocks(batches, _ADD_ROWS):
            vectors = unit_matrix(block["embedding"], block["uid"], table)
            index.add(np.ascontiguousarray(vectors))
            metadata.append(block.drop_columns(["embedding"]))
        if metadata:
            name = f"{shard:0{n_digits}}"
            file = f"{folder}/metadata/metadata_{name}.parquet"
            write_atomically(file, lambda path: pq.write_table(pa.concat_tables(metadata), path))
            shard_file = f"{folder}/shard_{name}.index"
            write_atomically(shard_file, lambda path: faiss.write_index(index, path))
            columns = [pa.array([shard], pa.int32()), pa.array([index.ntotal], pa.int64())]
            yield pa.RecordBatch.from_arrays(columns, [SHARD, ROWS])

    return fill


def merge_shards(shards: Sequence[Path], output: Path) -> int:
    """Merge the shards in order into one file, delete them, and return the number of vectors."""
    import faiss

    merged = faiss.read_index(str(shards[0]))
    for shard in shards[1:]:
        if n_lists(merged):
            # True: shift the shard's ids by the number of vectors before it.
            faiss.merge_into(merged, faiss.read_index(str(shard)), True)
        else:
            merged.merge_from(faiss.read_index(str(shard)))
    write_atomically(output, lambda path: faiss.write_index(merged, path))
    for shard in shards:
        shard.unlink()
    return int(merged.ntotal)


@dataclass(frozen=True)
class IndexFacts:
    """Properties of an index, as stored in its file."""

    dimension: int
    n_vectors: int
    is_by_inner_product: bool


def index_facts(file: str) -> IndexFacts:
    """Read the facts of an index file; TaskInputError if faiss cannot read it."""
    import faiss

    index = _read(file)
    layers = [index]
    while hasattr(layers[-1], "index"):
        layers.append(faiss.downcast_index(layers[-1].index))
    is_by_inner_product = all(layer.metric_type == _inner_product() for layer in layers)
    return IndexFacts(int(index.d), int(index.ntotal), is_by_inner_product)


def _inner_product() -> int:
    import faiss

    return int(faiss.METRIC_INNER_PRODUCT)


def _read(file: str) -> Any:
    import faiss

    default_limit = faiss.get_deserialization_vector_byte_limit()
    try:
        faiss.set_deserialization_vector_byte_limit(_max_part_bytes(os.path.getsize(file)))
        return faiss.read_index(file, faiss.IO_FLAG_MMAP)
    except (RuntimeError, MemoryError) as fault:  # from C++; also for an index of binary vectors
        reason = " ".join(str(fault).split())[-120:]
        raise TaskInputError(
            f"{file}: cannot be read as an index of float vectors ({reason})"
        ) from None
    finally:
        faiss.set_deserialization_vector_byte_limit(default_limit)


def _max_part_bytes(file_bytes: int) -> int:
    """The largest part that an index of a file may have in memory.

    faiss allocates any size that a broken header states. No part is larger than the file but the
    table that faiss computes for product quantisers: a number for each list and code word, at most
    256 for each number in the file, and at most 2 GiB, beyond which faiss does without it.
    """
    return max(file_bytes, min(256 * file_bytes, 2 << 30), 1)


@lru_cache(maxsize=1)
def _open_index(file: str, n_probe: int, _mtime_ns: int) -> Any:
    """A memory-mapped index, of which a search reads only what it needs; one per process."""
    import faiss

    index = _read(file)
    if n_lists(index):
        faiss.extract_index_ivf(index).nprobe = n_probe
    return index


def search_index(
    file: str, n_probe: int, queries: Vectors, k: int
) -> tuple[Vectors, np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Find the k nearest vectors of each query: (similarity, position), both (n, k); -1 for none.

    Raises TaskInputError if the index does not number its vectors from 0 on, or if a product shows
    that they are not of unit length.
    """
    index = _open_index(file, n_probe, Path(file).stat().st_mtime_ns)
    similarity, position = index.search(np.ascontiguousarray(queries), k)
    if position.max(initial=-1) >= index.ntotal:
        raise TaskInputError(
            f"{file}: names vector {position.max()}, but it holds {index.ntotal}: its ids are not "
            "the rows of its metadata"
        )
    largest = np.abs(similarity[position >= 0]).max(initial=0)
    most = 1 + LENGTH_TOLERANCE if _stores_whole_vectors(index) else _MOST_BY_CODES
    if not largest <= most:
        raise TaskInputError(
            f"{file}: a similarity is {largest:.6g}, so its vectors are not of unit length; build "
            "it of unit vectors, as build-index does"
        )
    return similarity, position


def _stores_whole_vectors(index: Any) -> bool:
    """Whether the index stores float32 vectors, so that products are exact and not estimates."""
    import faiss

    try:
        index = faiss.extract_index_ivf(index)
    except RuntimeError:
        index = faiss.downcast_index(index)
    if hasattr(index, "storage"):
        index = faiss.downcast_index(index.storage)
    return bool(index.code_size == 4 * index.d)
