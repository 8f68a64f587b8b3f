"""build-index, and search-neighbours by it or by an index of clip-retrieval."""

import json
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.jobs import build_index
from tests.delta_tables import read_delta
from udfs.vectors import vector_lists

N, DIMENSION = 1_500, 16


def unit(n: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_vectors(path: Path, key: str, vectors: np.ndarray) -> None:
    n = len(vectors)
    columns = {
        key: [f"{key[0]}{k:04}" for k in range(n)],
        "embedding": vector_lists(vectors, pa.array([True] * n)),
        "model": ["open_clip:ViT-B-32"] * n,
        "weights": ["w"] * n,
    }
    pq.write_table(pa.table(columns), path)


@pytest.fixture
def inputs(tmp_path: Path) -> list[object]:
    write_vectors(tmp_path / "vectors.parquet", "uid", unit(N, 0))
    write_vectors(tmp_path / "queries.parquet", "query_id", unit(25, 1))
    return ["build-index", "--embeddings", tmp_path / "vectors.parquet", "--seed", 1]


def search(captionlake, tmp_path: Path, *more: object):
    files = ["--queries", tmp_path / "queries.parquet", "--output", tmp_path / "found"]
    return captionlake("search-neighbours", *files, "--k", 10, *more)


@pytest.mark.parametrize(
    ("factory", "n_shards"),
    [
        pytest.param("Flat", 3, marks=pytest.mark.slow),
        ("IVF8,Flat", 3),
        pytest.param("IVF8,PQ8", 3, marks=pytest.mark.slow),
        pytest.param("HNSW16", 1, marks=pytest.mark.slow),
    ],
)
def test_shards_become_one_index_with_its_metadata(
    captionlake, spark: SparkSession, inputs, tmp_path: Path, monkeypatch, factory, n_shards
) -> None:
    monkeypatch.setattr(build_index, "_ROWS_PER_SHARD", 500)
    captions = {"uid": [f"u{k:04}" for k in range(N)], "caption": [f"text {k}" for k in range(N)]}
    pq.write_table(pa.table(captions), tmp_path / "captions.parquet")
    folder = tmp_path / "index"
    outcome = captionlake(
        *(*inputs, "--captions", tmp_path / "captions.parquet"),
        *("--factory", factory, "--output", folder),
    )
    assert outcome.exit_code == 0, outcome.stderr
    counts = outcome.summary["counts"]
    assert (counts["vectors"], counts["shards"], counts["trained_on"]) == (N, n_shards, N)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [*("_captionlake", "built_from.json", "indices.json", "metadata", "text.index")]
    index = faiss.read_index(str(folder / "text.index"))
    metadata = pa.concat_tables(
        pq.read_table(file) for file in sorted((folder / "metadata").iterdir())
    )
    assert metadata["uid"].to_pylist() == [f"u{k:04}" for k in range(N)]
    assert metadata["caption"].to_pylist() == captions["caption"]
    _, nearest = index.search(unit(N, 0)[:300], 1)
    assert (nearest[:, 0] == np.arange(300)).mean() > (0.4 if "PQ" in factory else 0.95)
    options = json.loads((folder / "indices.json").read_text())["captionlake"]
    assert options["indice_folder"] == str(folder)
    assert options["clip_model"] == "ViT-B-32"

    outcome = search(
        captionlake, tmp_path, "--index", folder, "--n-probe", 8,
        "--embeddings", tmp_path / "vectors.parquet",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    counts = outcome.summary["counts"]
    recall = counts["of_them_found"] / counts["true_neighbours"]
    assert counts["true_neighbours"] == 250
    assert recall == 1.0 if "Flat" in factory else recall > 0.3
    assert f"recall@10: {recall:.1%}" in outcome.stderr
    rows = read_delta(spark, tmp_path / "found").collect()
    assert len({(row.query_id, row.rank) for row in rows}) == len(rows) == 250


@pytest.mark.slow
def test_an_index_of_clip_retrieval(
    captionlake, spark: SparkSession, inputs, tmp_path: Path
) -> None:
    """Metadata in several files, with names of its own."""
    folder = tmp_path / "laion"
    (folder / "metadata").mkdir(parents=True)
    vectors = unit(N, 0)
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(vectors)
    faiss.write_index(index, str(folder / "image.index"))
    for k in range(3):
        names = [f"/i/{n}.jpg" for n in range(k * 500, (k + 1) * 500)]
        pq.write_table(pa.table({"image_path": names}), folder / f"metadata/metadata_{k}.parquet")
    outcome = search(
        captionlake, tmp_path,
        "--index", folder, "--modality", "image", "--uid-column", "image_path",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    rows = read_delta(spark, tmp_path / "found").where("rank = 0").collect()
    best = (unit(25, 1) @ vectors.T).argmax(axis=1)
    assert {row.query_id: row.uid for row in rows} == {
        f"q{k:04}": f"/i/{n}.jpg" for k, n in enumerate(best)
    }
    outcome = search(captionlake, tmp_path, "--index", folder, "--modality", "image")
    assert outcome.exit_code == 3
    assert "its metadata has no column 'uid'; it has image_path" in outcome.error
    outcome = search(captionlake, tmp_path, "--index", folder)
    assert outcome.exit_code == 3
    assert "has no text.index" in outcome.error
    assert search(captionlake, tmp_path).exit_code == 2


@pytest.mark.parametrize(
    ("more", "exit_code", "message"),
    [
        (["--factory", "IFV8,Flat"], 2, "faiss cannot make it"),
        (["--factory", "IVF4096,Flat"], 3, "has 4096 lists, but there are only 1500 vectors"),
        (["--memory", "0.00001"], 3, "needs 0.000"),
        (["--output", "main.catalog.index"], 2, "files need a folder, not a name in the catalog"),
    ],
)
def test_what_cannot_be_built(
    captionlake, inputs, tmp_path: Path, more: list[str], exit_code: int, message: str
) -> None:
    output = [] if "--output" in more else ["--output", tmp_path / "index"]
    outcome = captionlake(*inputs, *output, *more)
    assert outcome.exit_code == exit_code, outcome.stderr
    assert message in outcome.error


def test_others_files_stay(captionlake, inputs, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index/thesis.tex").write_text("years of work")
    outcome = captionlake(*inputs, "--factory", "Flat", "--output", tmp_path / "index")
    assert outcome.exit_code == 3
    assert "holds other files, such as thesis.tex" in outcome.error
    assert (tmp_path / "index/thesis.tex").is_file()
