"""Embeddings in numpy files: clip-retrieval's folders and DataComp's npz (Gadre et al. 2023)."""

import io
import zipfile
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from udfs.arrow import Batches, BatchFunction
from udfs.file_systems import file_system, write_atomically
from udfs.opened_files import MOST_DECOMPRESSED_BYTES
from udfs.task_errors import TaskInputError
from udfs.tasks import task_number
from udfs.vectors import Vectors, unit_matrix, vector_lists

_BATCH_ROWS = 10_000
VECTORS, METADATA, NUMBER, ROWS = "vectors", "metadata", "number", "rows"


def dimension_of(file: str, array: str | None) -> int:
    """Dimension of the vectors in a file; TaskInputError if it cannot be read."""
    return int(_load(file, array).shape[1])


def read_files(array: str | None, uid_column: str, dimension: int) -> BatchFunction:
    """The mapInArrow function from pairs of files to uid, embedding, fault.

    Input columns: vectors, an .npy or an .npz with `array`, and metadata, a parquet file with a row
    for each of its vectors, in their order. Vectors become float32 of unit length; one of length 0
    has the fault "vector_is_zero", one that is not finite "vector_not_finite". Raises
    TaskInputError if a file cannot be read, its vectors are not of `dimension`, the two files
    differ in length, or a row has no uid.
    """

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for vectors_file, metadata_file in _pairs(batches):
            vectors = _load(vectors_file, array)
            if vectors.shape[1] != dimension:
                raise TaskInputError(
                    f"{vectors_file}: has vectors of {vectors.shape[1]} numbers, but those of the "
                    f"first file have {dimension}"
                )
            uids = _uids(metadata_file, uid_column)
            if len(uids) != len(vectors):
                raise TaskInputError(
                    f"{vectors_file}: has {len(vectors)} vectors, but {metadata_file} has "
                    f"{len(uids)} rows"
                )
            for start in range(0, len(vectors), _BATCH_ROWS):
                yield _batch(
                    uids.slice(start, _BATCH_ROWS),
                    np.asarray(vectors[start : start + _BATCH_ROWS], np.float32),
                )

    return read


def read_uids(uid_column: str) -> BatchFunction:
    """The mapInArrow function from pairs of files, as for `read_files`, to the column uid."""

    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for _, metadata_file in _pairs(batches):
            yield pa.RecordBatch.from_arrays([_uids(metadata_file, uid_column)], ["uid"])

    return read


def _pairs(batches: Batches) -> Iterator[tuple[str, str]]:
    for batch in batches:
        yield from zip(batch[VECTORS].to_pylist(), batch[METADATA].to_pylist(), strict=True)


def _load(file: str, array: str | None) -> Vectors:
    """Vectors (n, dimension); an .npy on a local disk is mapped, not read into memory."""
    try:
        system, path = file_system(file)
        is_local = isinstance(system, pafs.LocalFileSystem)
        source = path if is_local else io.BytesIO(system.open_input_stream(path).read())
        if array is None:
            loaded = np.load(source, mmap_mode="r" if is_local else None, allow_pickle=False)
        else:
            with np.load(source, allow_pickle=False) as arrays:
                if array not in arrays:
                    names = ", ".join(arrays)
                    raise TaskInputError(f"{file}: has no array {array!r}; it has {names}")
                _refuse_inflated(file, arrays.zip, array)
                loaded = np.asarray(arrays[array])
    except TaskInputError:
        raise
    except Exception as fault:  # numpy, zipfile and zlib raise various ones
        reason = " ".join(str(fault).split())[:120] or type(fault).__name__
        raise TaskInputError(f"{file}: cannot be read as numpy's arrays ({reason})") from None
    if getattr(loaded, "ndim", 0) != 2 or loaded.dtype.kind != "f" or not loaded.shape[1]:
        shape = getattr(loaded, "shape", "none")
        kind = getattr(loaded, "dtype", type(loaded).__name__)
        raise TaskInputError(
            f"{file}: holds {kind} of shape {shape}, expected floats (n, dimension)"
        )
    vectors: Vectors = loaded
    return vectors


def _refuse_inflated(file: str, archive: zipfile.ZipFile, array: str) -> None:
    """Raise TaskInputError for a compressed array that is too large once it is decompressed."""
    for member in archive.infolist():
        is_stored = member.compress_type == zipfile.ZIP_STORED
        if member.filename.removesuffix(".npy") != array or is_stored:
            continue
        if member.file_size > MOST_DECOMPRESSED_BYTES:
            raise TaskInputError(
                f"{file}: its array has more than {MOST_DECOMPRESSED_BYTES >> 30} GiB when it is "
                "decompressed; write it with numpy.savez, which leaves it as it is, or in parts"
            )


def _uids(file: str, column: str) -> pa.Array:
    """The ids of a metadata file as strings; TaskInputError if one is null."""
    try:
        system, path = file_system(file)
        parquet = pq.ParquetFile(system.open_input_file(path))
        names = parquet.schema_arrow.names
        if column not in names:
            raise TaskInputError(f"{file}: has no column {column!r}; it has {', '.join(names)}")
        # ParquetFile, not read_table: a folder such as lang=en must not add a column.
        uids = parquet.read(columns=[column])[column].cast(pa.string())
        uids.validate(full=True)  # a parquet string may hold any bytes
    except (pa.ArrowException, OSError) as fault:
        reason = " ".join(str(fault).split())[:120]
        raise TaskInputError(
            f"{file}: cannot be read for its column {column!r} ({reason})"
        ) from None
    if uids.null_count:
        row = pc.index(uids.is_null(), True).as_py()
        raise TaskInputError(
            f"{file}: {column} is null in row {row}, expected an id for each vector"
        )
    return uids.combine_chunks() if len(uids) else pa.array([], pa.string())


def _batch(uids: pa.Array, vectors: Vectors) -> pa.RecordBatch:
    lengths = np.linalg.norm(vectors, axis=1)
    is_sound = np.isfinite(lengths) & (lengths > 0)
    unit = np.where(is_sound[:, None], vectors / np.where(is_sound, lengths, 1)[:, None], 0)
    reasons = pa.array(np.where(lengths == 0, "vector_is_zero", "vector_not_finite"), pa.string())
    faults = pc.if_else(pa.array(is_sound), pa.scalar(None, pa.string()), reasons)
    lists = vector_lists(unit.astype(np.float32), pa.array(is_sound))
    return pa.RecordBatch.from_arrays([uids, lists, faults], ["uid", "embedding", "fault"])


def write_files(
    name_of: Callable[[int], tuple[str, str]], array: str | None, source: str
) -> BatchFunction:
    """The mapInArrow function that writes uid, embedding and metadata to a pair of files per task.

    `name_of`: task number -> (file of vectors, file of metadata). Vectors are stored as float16, as
    both tools do. Files are written atomically; a task without rows writes none. Output columns:
    number, rows. Raises TaskInputError if a vector of the table `source` is not of unit length.
    """

    def write(batches: Batches) -> Iterator[pa.RecordBatch]:
        parts = list(batches)
        table = pa.Table.from_batches(parts) if parts else None
        if table is None or not table.num_rows:
            return
        number = task_number()
        vectors_file, metadata_file = name_of(number)
        vectors = unit_matrix(table["embedding"], table["uid"], source).astype(np.float16)
        write_atomically(vectors_file, lambda path: _save(path, vectors, array))
        metadata = table.drop_columns(["embedding"])
        write_atomically(metadata_file, lambda path: pq.write_table(metadata, path))
        columns = [pa.array([number], pa.int32()), pa.array([table.num_rows], pa.int64())]
        yield pa.RecordBatch.from_arrays(columns, [NUMBER, ROWS])

    return write


def _save(
    path: str, vectors: np.ndarray[tuple[int, int], np.dtype[np.float16]], array: str | None
) -> None:
    with open(path, "wb") as opened:
        if array is None:
            np.save(opened, vectors, allow_pickle=False)
        else:
            np.savez(opened, **{array: vectors})
