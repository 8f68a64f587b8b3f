"""Files that are no index, no vectors, no counts: each is named in one line, none is run."""

import io
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.entry_counts import entry_count_array
from udfs.embedding_files import dimension_of, read_files
from udfs.faiss_index import index_facts
from udfs.task_errors import TaskInputError


def saved(array: np.ndarray) -> bytes:
    written = io.BytesIO()
    np.save(written, array, allow_pickle=array.dtype.hasobject)
    return written.getvalue()


def headed(shape: str, content: bytes = b"", kind: str = "<f4") -> bytes:
    said = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00\x76\x00" + said.encode().ljust(117) + b"\n" + content


def zipped(name: str, content: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(name, content)
    return written.getvalue()


NO_VECTORS = {
    "objects": saved(np.array([["a", 1]], object)),
    "pickle": b"\x80\x04K\x01.",
    "no dimension": saved(np.float32(1)),
    "text": saved(np.array([["a"]])),
    "whole numbers": saved(np.ones((2, 2), np.int64)),
    "complex": saved(np.ones((2, 2), complex)),
    "records": saved(np.zeros((2, 2), [("a", "f4")])),
    "vectors of no length": saved(np.zeros((3, 0), np.float32)),
    "cut off": headed("(100, 4)", b"\0" * 8),
    "larger than the file": headed("(4000000000, 4)"),
    "larger than memory can be": headed("(9223372036854775807, 9223372036854775807)"),
    "overflowing": headed("(4611686018427387904, 4)"),
    "negative": headed("(-1, 4)"),
    "a header that ends": b"\x93NUMPY\x01\x00\x10\x00{'descr': __imp\n",
    "a deep header": headed("(" * 40),
    "nothing": b"",
}


@pytest.mark.parametrize("content", NO_VECTORS.values(), ids=NO_VECTORS)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_what_holds_no_vectors_or_counts_is_named(content: bytes, tmp_path: Path) -> None:
    npy, npz = tmp_path / "x.npy", tmp_path / "x.npz"
    npy.write_bytes(content)
    with pytest.raises(TaskInputError, match=r"x\.npy: (holds|cannot be read)") as fault:
        dimension_of(str(npy), None)
    assert len(str(fault.value)) < 300 + len(str(tmp_path))
    npz.write_bytes(zipped("v.npy", content))
    with pytest.raises(TaskInputError, match=r"x\.npz: (holds|cannot be read|has no)"):
        dimension_of(str(npz), "v")
    if not content.startswith(b"\x93NUMPY") or b"'<i8'" not in content:
        with pytest.raises(InputDataError, match=r"^x\.npy: (is no|expected)"):
            entry_count_array(content, "x.npy")


@pytest.mark.parametrize("kind", ["<f2", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_vectors_of_any_byte_order_and_layout_are_read(
    kind: str, order: str, tmp_path: Path
) -> None:
    vectors = np.array([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]])
    (tmp_path / "v.npy").write_bytes(saved(np.asarray(vectors, kind, order=order)))
    pq.write_table(pa.table({"uid": ["a", "b", "c"]}), tmp_path / "m.parquet")
    pair = pa.RecordBatch.from_arrays(
        [pa.array([str(tmp_path / "v.npy")]), pa.array([str(tmp_path / "m.parquet")])],
        ["vectors", "metadata"],
    )
    (rows,) = read_files(None, "uid", 2)([pair])
    read = np.array(rows.column("embedding").to_pylist())
    assert np.abs(read - [[0.6, 0.8], [0, 1], [1, 0]]).max() < 1e-6


def test_a_uid_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "v.npy").write_bytes(saved(np.ones((1, 2), np.float32)))
    data = pa.array([b"\xff"], pa.binary())
    bad = pa.StringArray.from_buffers(1, *data.buffers()[1:])
    pq.write_table(pa.table({"uid": bad}), tmp_path / "m.parquet")
    pair = pa.RecordBatch.from_arrays(
        [pa.array([str(tmp_path / "v.npy")]), pa.array([str(tmp_path / "m.parquet")])],
        ["vectors", "metadata"],
    )
    with pytest.raises(TaskInputError, match=r"m\.parquet: .* column 'uid' .*UTF8"):
        list(read_files(None, "uid", 2)([pair]))


@pytest.mark.parametrize("factory", ["Flat", "IVF4,Flat", "HNSW8"])
def test_a_broken_index_is_named_or_read(factory: str, tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    vectors = draws.normal(size=(300, 8)).astype(np.float32)
    index = faiss.index_factory(8, factory, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    whole = bytes(faiss.serialize_index(index))
    breaks: list[Callable[[], bytes]] = [
        lambda: whole[: draws.integers(0, len(whole))],
        lambda: _changed(whole, draws),
        lambda: whole[:4] + draws.bytes(200),
        lambda: draws.bytes(100),
    ]
    refused, peak = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(120):
        file = tmp_path / f"{number}.index"
        file.write_bytes(breaks[number % 4]())
        fault = refusal_of(str(file))
        refused += fault is not None
        assert fault is None or fault.startswith(f"{file}: cannot be read as an index")
    assert refused > 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 100 << 10  # KiB


def refusal_of(file: str) -> str | None:
    try:
        index_facts(file)
    except TaskInputError as fault:
        return str(fault)
    return None


def _changed(whole: bytes, draws: np.random.Generator) -> bytes:
    """A size of its header in place of another."""
    changed = bytearray(whole)
    place = int(draws.integers(4, 60))
    changed[place] = int(draws.integers(0, 256))
    return bytes(changed)
