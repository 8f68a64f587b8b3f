"""Embeddings in files of numpy: clip-retrieval's folders and DataComp's npz."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from udfs.arrow import Batches, BatchFunction
from udfs.faiss_index import in_place
from udfs.tasks import task_number
from udfs.vectors import Vectors, matrix, vector_lists

_ROWS = 10_000  # of a batch
VECTORS, METADATA, FILE, ROWS = "vectors", "metadata", "file", "rows"


def read_files(array: str | None, uid_column: str) -> BatchFunction:
    """The function of mapInArrow: pairs of files in, uid, embedding and fault out.

    Columns vectors, an .npy or the .npz that holds `array`, and metadata, the parquet file with a
    row for each of its vectors, in their order. Vectors become float32 of unit length; one that is
    zero or no number is the fault "vector_not_finite".
    """

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            pairs = zip(batch[VECTORS].to_pylist(), batch[METADATA].to_pylist(), strict=True)
            for vectors_file, metadata_file in pairs:
                vectors = _load(vectors_file, array)
                uids = pq.read_table(metadata_file, columns=[uid_column])[uid_column]
                if len(uids) != len(vectors):
                    raise ValueError(
                        f"{vectors_file}: has {len(vectors)} vectors, but {metadata_file} has "
                        f"{len(uids)} rows"
                    )
                for start in range(0, len(vectors), _ROWS):
                    yield _batch(
                        uids.slice(start, _ROWS).combine_chunks().cast(pa.string()),
                        np.asarray(vectors[start : start + _ROWS], np.float32),
                    )

    return read


def _load(file: str, array: str | None) -> Vectors:
    """Vectors (n, dimension), of an .npy without reading it into memory."""
    if array is None:
        found: Vectors = np.load(file, mmap_mode="r", allow_pickle=False)
        return found
    with np.load(file, allow_pickle=False) as arrays:
        if array not in arrays:
            raise ValueError(f"{file}: has no array {array!r}; it has {', '.join(arrays)}")
        return np.asarray(arrays[array])


def _batch(uids: pa.Array, vectors: Vectors) -> pa.RecordBatch:
    lengths = np.linalg.norm(vectors, axis=1)
    is_sound = np.isfinite(lengths) & (lengths > 0)
    unit = np.where(is_sound[:, None], vectors / np.where(is_sound, lengths, 1)[:, None], 0)
    reasons = pa.array(["vector_not_finite"] * len(uids), pa.string())
    faults = pc.if_else(pa.array(is_sound), pa.scalar(None, pa.string()), reasons)
    lists = vector_lists(unit.astype(np.float32), pa.array(is_sound))
    return pa.RecordBatch.from_arrays([uids, lists, faults], ["uid", "embedding", "fault"])


def write_files(name_of: Callable[[int], tuple[str, str]], array: str | None) -> BatchFunction:
    """The function of mapInArrow: uid, embedding and metadata in, a pair of files a task out.

    `name_of`: number of the task -> its files of vectors and of metadata. Vectors are stored as
    float16, as both tools have them. A file is there whole or not at all. Gives file, rows.
    """

    def write(batches: Batches) -> Iterator[pa.RecordBatch]:
        parts = list(batches)
        table = pa.Table.from_batches(parts) if parts else None
        if table is None or not table.num_rows:
            return
        vectors_file, metadata_file = name_of(task_number())
        vectors = matrix(table["embedding"]).astype(np.float16)
        in_place(Path(vectors_file), lambda path: _save(path, vectors, array))
        metadata = table.drop_columns(["embedding"])
        in_place(Path(metadata_file), lambda path: pq.write_table(metadata, path))
        columns = [pa.array([vectors_file]), pa.array([table.num_rows], pa.int64())]
        yield pa.RecordBatch.from_arrays(columns, [FILE, ROWS])

    return write


def _save(
    path: str, vectors: np.ndarray[tuple[int, int], np.dtype[np.float16]], array: str | None
) -> None:
    with open(path, "wb") as opened:
        if array is None:
            np.save(opened, vectors, allow_pickle=False)
        else:
            np.savez(opened, **{array: vectors})
