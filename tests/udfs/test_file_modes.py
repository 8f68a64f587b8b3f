"""Files that workers and the driver write have the mode that the umask gives."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.embedding_files import write_files
from udfs.faiss_index import empty_index, fill_shards, merge_shards
from udfs.json_files import write_json_lists
from udfs.vectors import vector_lists


@pytest.fixture(params=[0o022, 0o077])
def mask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_of_workers_follow_the_umask(tmp_path: Path, mask: int) -> None:
    import faiss

    vectors = vector_lists(np.eye(4, 8, dtype=np.float32), pa.array([True] * 4))
    batch = pa.RecordBatch.from_arrays([pa.array(list("abcd")), vectors], ["uid", "embedding"])
    trained = bytes(faiss.serialize_index(empty_index("Flat", 8)))
    for array in (None, "b32_img"):

        def names(number: int, array: str | None = array) -> tuple[str, str]:
            kind = "npy" if array is None else "npz"
            return str(tmp_path / f"{kind}/{number}.{kind}"), str(tmp_path / f"{kind}/{number}.p")

        list(write_files(names, array, "table")(iter([batch])))
    list(fill_shards(trained, str(tmp_path / "index"), 1, "table")(iter([batch])))
    merge_shards(sorted((tmp_path / "index").glob("*.index")), tmp_path / "index/text.index")
    chunks = pa.RecordBatch.from_arrays([pa.array([0]), pa.array(["a"])], ["chunk", "item"])
    (tmp_path / "json").mkdir()
    list(write_json_lists(str(tmp_path / "json"), "captions_{}.json")(iter([chunks])))
    written = list(tmp_path.rglob("*"))
    assert {path.suffix for path in written} >= {".npy", ".npz", ".index", ".json", ".parquet"}
    assert len(pq.read_table(tmp_path / "npy/0.p")) == 4
    for path in written:
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~mask, path
