"""Approximate indices by faiss (Douze et al. 2024): trained on a sample, filled in shards."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from udfs.arrow import Batches, BatchFunction
from udfs.neighbours import blocks
from udfs.tasks import task_number
from udfs.vectors import Vectors, matrix

_ADD_ROWS = 1 << 16
_ID_BYTES = 8
SHARD, ROWS = "shard", "rows"


def empty_index(factory: str, dimension: int) -> Any:
    """An untrained index for inner products; ValueError where faiss knows no such factory."""
    import faiss

    try:
        return faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    except Exception as fault:  # faiss raises RuntimeError of C++ text, and AssertionError
        told = " ".join(str(fault).split())[-150:]
        raise ValueError(f"factory {factory!r}: faiss cannot make it ({told})") from None


def index_bytes(factory: str, dimension: int, n_rows: int) -> int:
    """Memory of the filled index: codes, ids, links and centroids."""
    import faiss

    index = empty_index(factory, dimension)
    inner: Any = faiss.downcast_index(index.index) if hasattr(index, "index") else index
    links, coded = 0, index
    if hasattr(inner, "hnsw"):
        links = 4 * 2 * int(inner.hnsw.nb_neighbors(1)) + _ID_BYTES
        coded = faiss.downcast_index(inner.storage)
    centroids = 4 * dimension * n_lists(index)
    return int((coded.sa_code_size() + _ID_BYTES + links) * n_rows + centroids)


def n_lists(index: Any) -> int:
    """Inverted lists, 0 where an index has none."""
    import faiss

    try:
        return int(faiss.extract_index_ivf(index).nlist)
    except RuntimeError:
        return 0


def is_mergeable(index: Any) -> bool:
    """Whether shards of such an index can become one: flat and inverted ones can, graphs cannot."""
    import faiss

    return n_lists(index) > 0 or isinstance(faiss.downcast_index(index), faiss.IndexFlatCodes)


def trained_index(factory: str, sample: Vectors) -> bytes:
    """The index trained on the sample, empty, as bytes."""
    import faiss

    index = empty_index(factory, sample.shape[1])
    index.train(np.ascontiguousarray(sample))
    return bytes(faiss.serialize_index(index))


def fill_shards(trained: bytes, folder: str, n_digits: int) -> BatchFunction:
    """The function of mapInArrow: embedding and metadata columns in, a shard's files out.

    `<folder>/shard_<n>.index`, and metadata_<n>.parquet with a row for each of its vectors, in
    their order. A file is there whole or not at all. Gives shard, rows.
    """

    def fill(batches: Batches) -> Iterator[pa.RecordBatch]:
        import faiss

        shard = task_number()
        index = faiss.deserialize_index(np.frombuffer(trained, np.uint8))
        metadata = []
        for table in blocks(batches, _ADD_ROWS):
            index.add(np.ascontiguousarray(matrix(table["embedding"])))
            metadata.append(table.drop_columns(["embedding"]))
        if metadata:
            name = f"{shard:0{n_digits}}"
            file = Path(folder) / "metadata" / f"metadata_{name}.parquet"
            in_place(file, lambda path: pq.write_table(pa.concat_tables(metadata), path))
            shard_file = Path(folder) / f"shard_{name}.index"
            in_place(shard_file, lambda path: faiss.write_index(index, path))
            columns = [pa.array([shard], pa.int32()), pa.array([index.ntotal], pa.int64())]
            yield pa.RecordBatch.from_arrays(columns, [SHARD, ROWS])

    return fill


def in_place(file: Path, write: Callable[[str], object]) -> None:
    """Write a file beside and then move it to its name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    os.close(handle)
    write(beside)
    os.replace(beside, file)


def merge_shards(shards: Sequence[Path], output: Path) -> int:
    """Put the shards together, in their order, and give the vectors of the whole."""
    import faiss

    whole = faiss.read_index(str(shards[0]))
    for shard in shards[1:]:
        if n_lists(whole):
            faiss.merge_into(whole, faiss.read_index(str(shard)), True)  # the ids go on
        else:
            whole.merge_from(faiss.read_index(str(shard)))
    in_place(output, lambda path: faiss.write_index(whole, path))
    for shard in shards:
        shard.unlink()
    return int(whole.ntotal)


@lru_cache(maxsize=1)
def opened_index(file: str, n_probe: int, _stamp: int) -> Any:
    """An index, of which only what a search needs is read from the disk."""
    import faiss

    index = faiss.read_index(file, faiss.IO_FLAG_MMAP)
    if n_lists(index):
        faiss.extract_index_ivf(index).nprobe = n_probe
    return index


def search_index(
    file: str, n_probe: int, queries: Vectors, k: int
) -> tuple[Vectors, np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """(similarity, position) of the k nearest of each query (n, k), position -1 for none."""
    index = opened_index(file, n_probe, Path(file).stat().st_mtime_ns)
    similarity, position = index.search(np.ascontiguousarray(queries), k)
    return similarity, position
