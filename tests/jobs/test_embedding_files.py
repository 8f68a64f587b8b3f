"""import-embeddings and export-embeddings: the files of clip-retrieval and DataComp."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta
from udfs.vectors import vector_lists


def drawn(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float16)


def unit(vectors: np.ndarray) -> np.ndarray:
    full = vectors.astype(np.float32)
    return full / np.linalg.norm(full, axis=1, keepdims=True)


@pytest.fixture
def clip_retrieval(tmp_path: Path) -> Path:
    folder = tmp_path / "emb"
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for k, name in enumerate(("00", "01")):
        vectors = drawn(30, k)
        vectors[3] = 0 if k else np.nan
        np.save(folder / f"img_emb/img_emb_{name}.npy", vectors)
        names = [f"{k}/{n}.jpg" for n in range(30)]
        pq.write_table(
            pa.table({"image_path": names}), folder / f"metadata/metadata_{name}.parquet"
        )
    return folder


def test_clip_retrievals_folder_becomes_a_table(
    captionlake, spark: SparkSession, clip_retrieval: Path, tmp_path: Path
) -> None:
    command = [
        *("import-embeddings", "--input", clip_retrieval, "--form", "clip_retrieval"),
        *("--model", "open_clip:ViT-B-32", "--output", tmp_path / "out"),
    ]
    outcome = captionlake(*command, "--uid-column", "image_path")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {"files": 2, "rows": 60, "faulty": 2}
    rows = {r.uid: r for r in read_delta(spark, tmp_path / "out").collect()}
    assert (rows["0/3.jpg"].embedding, rows["0/3.jpg"].fault) == (None, "vector_not_finite")
    assert (rows["1/3.jpg"].embedding, rows["1/3.jpg"].fault) == (None, "vector_is_zero")
    for k in (0, 1):
        expected = unit(drawn(30, k))
        sound = [n for n in range(30) if n != 3]
        found = np.array([rows[f"{k}/{n}.jpg"].embedding for n in sound])
        assert np.allclose(found, expected[sound], atol=1e-6)

    (clip_retrieval / "metadata/metadata_01.parquet").unlink()
    outcome = captionlake(*command, "--uid-column", "image_path", "--force")
    assert outcome.exit_code == 3
    assert "metadata_01.parquet is not there" in outcome.error
    pq.write_table(pa.table({"image_path": ["a"]}), clip_retrieval / "metadata/metadata_01.parquet")
    outcome = captionlake(*command, "--uid-column", "image_path")
    assert outcome.exit_code == 3
    assert "has 30 vectors, but" in outcome.error
    outcome = captionlake(*command, "--modality", "text")
    assert outcome.exit_code == 3
    assert "holds no vectors of clip_retrieval" in outcome.error


@pytest.mark.parametrize("form", ["clip_retrieval", "datacomp"])
def test_what_is_written_is_read_again(
    captionlake, spark: SparkSession, tmp_path: Path, form: str
) -> None:
    n = 250
    vectors, uids = unit(drawn(n, 5)), [f"u{k:03}" for k in range(n)]
    columns = {
        "uid": uids, "embedding": vector_lists(vectors, pa.array([True] * n)),
        "model": ["m"] * n, "weights": ["w"] * n,
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    captions = {"uid": uids[::-1], "caption": [f"text of {u}" for u in uids[::-1]]}
    pq.write_table(pa.table(captions), tmp_path / "captions.parquet")
    command = [
        *("export-embeddings", "--embeddings", tmp_path / "in.parquet", "--form", form),
        *("--captions", tmp_path / "captions.parquet", "--rows-per-file", 100),
        *("--output", tmp_path / "files"),
    ]
    outcome = captionlake(*command)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {"files": 3, "rows": n, "without_vector": 0}
    if form == "clip_retrieval":
        arrays = sorted((tmp_path / "files/img_emb").iterdir())
        metadata = sorted((tmp_path / "files/metadata").iterdir())
        assert [file.name for file in arrays] == [f"img_emb_{k}.npy" for k in range(3)]
        stored = np.concatenate([np.load(file) for file in arrays])
    else:
        arrays = sorted((tmp_path / "files").glob("*.npz"))
        metadata = sorted((tmp_path / "files").glob("*.parquet"))
        stored = np.concatenate([np.load(file)["l14_img"] for file in arrays])
    assert stored.dtype == np.float16
    assert np.allclose(stored.astype(np.float32), vectors, atol=1e-3)
    told = pa.concat_tables(pq.read_table(file) for file in metadata)
    assert told["uid"].to_pylist() == uids
    assert told["caption"].to_pylist() == [f"text of {u}" for u in uids]
    outcome = captionlake(
        *("import-embeddings", "--input", tmp_path / "files", "--form", form, "--model", "m"),
        *("--output", tmp_path / "again"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    rows = read_delta(spark, tmp_path / "again").orderBy("uid").collect()
    assert [row.uid for row in rows] == uids
    again = np.array([row.embedding for row in rows])
    assert np.abs(np.linalg.norm(again, axis=1) - 1).max() < 1e-6
    assert np.allclose(again, vectors, atol=1e-3)
    assert captionlake(*command).summary["status"] == "up_to_date"
    if form == "datacomp":
        outcome = captionlake(
            *("import-embeddings", "--input", tmp_path / "files", "--form", form, "--model", "m"),
            *("--array", "b32_img", "--output", tmp_path / "other"),
        )
        assert outcome.exit_code == 3
        assert "has no array 'b32_img'; it has l14_img" in outcome.error
