"""Files of vectors and metadata that do not belong together, or are none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.errors import InputDataError
from spark_jobs.formats.clip_retrieval_embeddings import EmbeddingFolder
from udfs.embedding_files import read_files, read_uids
from udfs.task_errors import TaskInputError


def vectors(seed: int, n: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float16)


def write_pair(folder: Path, vectors_name: str, metadata_name: str, number: int = 0) -> None:
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    np.save(folder / "img_emb" / f"{vectors_name}.npy", vectors(number))
    uids = pa.table({"uid": [f"{number}/{k}" for k in range(5)]})
    pq.write_table(uids, folder / "metadata" / f"{metadata_name}.parquet")


def clip_retrieval(folder: Path) -> EmbeddingFolder:
    return EmbeddingFolder(str(folder), "clip_retrieval", "image")


def test_pairs_follow_their_numbers_whatever_the_zeros(tmp_path: Path) -> None:
    for n in (0, 1, 2, 10, 11, *range(3, 10)):
        write_pair(tmp_path, f"img_emb_{n}", f"metadata_{n:03}", n)
    names = [(Path(a).stem, Path(b).stem) for a, b in clip_retrieval(tmp_path).pairs()]
    assert names == [(f"img_emb_{n}", f"metadata_{n:03}") for n in range(12)]


def test_a_file_without_the_other_and_gaps(tmp_path: Path) -> None:
    for n in (0, 1, 2, 4):
        write_pair(tmp_path, f"img_emb_{n}", f"metadata_{n}", n)
    folder = clip_retrieval(tmp_path)
    with pytest.raises(InputDataError, match=r"has 4 files, but none with the numbers 3; "):
        folder.pairs()
    assert len(folder.pairs(allow_gaps=True)) == 4
    (tmp_path / "img_emb/img_emb_1.npy").rename(tmp_path / "img_emb/img_emb_3.npy")
    with pytest.raises(InputDataError, match=r"img_emb_3.npy: .*metadata_3.parquet is not there"):
        folder.pairs()
    (tmp_path / "img_emb/img_emb_3.npy").unlink()
    with pytest.raises(InputDataError, match=r"metadata_1.parquet: .*img_emb_1.npy is not there"):
        folder.pairs(allow_gaps=True)
    (tmp_path / "metadata/metadata_1.parquet").rename(tmp_path / "metadata/other.parquet")
    with pytest.raises(InputDataError, match=r"other.parquet: expected a name such as metadata_0"):
        folder.pairs(allow_gaps=True)


def test_datacomps_metadata_without_vectors(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", l14_img=vectors(0))
        pq.write_table(pa.table({"uid": ["x"]}), tmp_path / f"{name}.parquet")
    folder = EmbeddingFolder(str(tmp_path), "datacomp", "image")
    assert len(folder.pairs()) == 2
    (tmp_path / "a.npz").unlink()
    with pytest.raises(InputDataError, match=r"a.parquet: .*a.npz is not there"):
        folder.pairs()


def rows_of(tmp_path: Path, array: str | None = None, column: str = "uid") -> list[dict]:
    name = "v.npy" if array is None else "v.npz"
    pair = pa.RecordBatch.from_arrays(
        [pa.array([str(tmp_path / name)]), pa.array([str(tmp_path / "m.parquet")])],
        ["vectors", "metadata"],
    )
    uids = [batch["uid"].to_pylist() for batch in read_uids(column)([pair])]
    read = read_files(array, column, 8)
    rows = [row for batch in read([pair]) for row in batch.to_pylist()]
    assert [row["uid"] for row in rows] == [uid for of in uids for uid in of]
    return rows


WRITERS: list[tuple[Callable[[Path], object], str]] = [
    (lambda file: file.write_bytes(b"junk"), "cannot be read as numpy's arrays"),
    (lambda file: file.write_bytes(b""), "cannot be read as numpy's arrays"),
    (lambda file: np.save(file, vectors(0)[0]), r"shape \(8,\), expected floats"),
    (lambda file: np.save(file, vectors(0)[None]), r"shape \(1, 5, 8\), expected floats"),
    (lambda file: np.save(file, np.ones((5, 8), np.int8)), "holds int8 of shape"),
    (lambda file: np.save(file, np.array([["a"] * 8] * 5)), "holds <U1 of shape"),
    (lambda file: np.save(file, np.array([{}]), allow_pickle=True), "cannot be read"),
    (lambda file: np.save(file, vectors(0)[:, :4]), r"vectors of 4 numbers, but .* have 8"),
    (lambda file: np.save(file, vectors(0)[:4]), r"has 4 vectors, but .* has 5 rows"),
    (lambda file: file.write_bytes(_cut(file)), "cannot be read as numpy's arrays"),
]


def _cut(file: Path) -> bytes:
    np.save(file, vectors(0))
    return file.read_bytes()[:-10]


@pytest.mark.parametrize(("write", "message"), WRITERS)
def test_what_is_no_file_of_vectors(tmp_path: Path, write, message: str) -> None:
    pq.write_table(pa.table({"uid": ["a", "b", "c", "d", "e"]}), tmp_path / "m.parquet")
    write(tmp_path / "v.npy")
    with pytest.raises(TaskInputError, match=rf"v.npy: .*{message}|v.npy: {message}") as fault:
        rows_of(tmp_path)
    assert "\n" not in str(fault.value)


def test_what_is_no_metadata(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", vectors(0))
    metadata = tmp_path / "m.parquet"
    metadata.write_bytes(b"junk")
    with pytest.raises(TaskInputError, match=r"m.parquet: cannot be read for its column 'uid'"):
        rows_of(tmp_path)
    pq.write_table(pa.table({"key": [1]}), metadata)
    with pytest.raises(TaskInputError, match=r"m.parquet: has no column 'uid'; it has key"):
        rows_of(tmp_path)
    pq.write_table(pa.table({"uid": ["a", "b", None, "d", None]}), metadata)
    with pytest.raises(TaskInputError, match=r"m.parquet: uid is null in row 2"):
        rows_of(tmp_path)
    pq.write_table(pa.table({"uid": [3, 1, 2, 5, 4]}), metadata)
    assert [row["uid"] for row in rows_of(tmp_path)] == ["3", "1", "2", "5", "4"]


def test_an_npz_that_is_none(tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": ["a", "b", "c", "d", "e"]}), tmp_path / "m.parquet")
    (tmp_path / "v.npz").write_bytes(b"PK\x03\x04 junk")
    with pytest.raises(TaskInputError, match=r"v.npz: cannot be read as numpy's arrays"):
        rows_of(tmp_path, "l14_img")
    np.savez(tmp_path / "v.npz", b32_img=vectors(0))
    with pytest.raises(TaskInputError, match=r"v.npz: has no array 'l14_img'; it has b32_img"):
        rows_of(tmp_path, "l14_img")
    assert len(rows_of(tmp_path, "b32_img")) == 5


def test_faults_of_files_are_one_line_and_leave_no_table(
    captionlake, spark: SparkSession, tmp_path: Path
) -> None:
    write_pair(tmp_path / "in dir", "img_emb_0", "metadata_0", 0)
    write_pair(tmp_path / "in dir", "img_emb_1", "metadata_1", 0)
    command = [
        *("import-embeddings", "--input", tmp_path / "in dir", "--form", "clip_retrieval"),
        *("--model", "m", "--output", tmp_path / "out"),
    ]
    outcome = captionlake(*command)
    assert outcome.exit_code == 3
    assert "in dir: uid '0/0' is there 2 times; expected one vector a uid" in outcome.error
    (tmp_path / "in dir/img_emb/img_emb_1.npy").write_bytes(b"junk")
    write_pair(tmp_path / "in dir", "img_emb_0", "metadata_0", 2)
    outcome = captionlake(*command)
    assert outcome.exit_code == 3
    assert "in dir/img_emb/img_emb_1.npy: cannot be read as numpy's arrays" in outcome.error
    assert not list(tmp_path.glob("out/_delta_log/*.json"))
