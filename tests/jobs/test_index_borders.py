"""Indices that do not belong to their metadata, to the queries, or to no cosine at all."""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta
from udfs.vectors import vector_lists

N = 60


def unit(n: int, dimension: int = 16, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_vectors(
    path: Path,
    vectors: np.ndarray,
    key: str = "uid",
    model: str = "open_clip:ViT-B-32",
    weights: str = "w",
    **columns: Any,
) -> Path:
    """A table of embeddings, a vector of NaN being none; uids u0000 ... unless given."""
    n = len(vectors)
    is_sound = pa.array(~np.isnan(vectors).all(axis=1))
    table = {
        key: [f"{key[0]}{k:04}" for k in range(n)],
        "embedding": vector_lists(vectors.astype(np.float32), is_sound),
        "model": [model] * n,
        "weights": [weights] * n,
    }
    pq.write_table(pa.table(table | columns), path)
    return path


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    return write_vectors(tmp_path / "queries.parquet", unit(8, seed=1), "query_id")


@pytest.fixture
def search(captionlake, queries: Path, tmp_path: Path):
    def run(folder: Path, *more: object, table: Path | None = None):
        files = ["--queries", table or queries, "--output", tmp_path / "found"]
        return captionlake("search-neighbours", *files, "--index", folder, "--k", 5, *more)

    return run


def write_index(folder: Path, index: faiss.Index, vectors: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    index.train(vectors)
    index.add(vectors)
    faiss.write_index(index, str(folder / "text.index"))
    return folder


def write_metadata(folder: Path, files: dict[str, list[str | None]]) -> None:
    (folder / "metadata").mkdir(parents=True, exist_ok=True)
    for name, uids in files.items():
        table = pa.table({"uid": pa.array(uids, pa.string())})
        pq.write_table(table, folder / "metadata" / f"{name}.parquet")


def in_files(names: list[str]) -> dict[str, list[str | None]]:
    """u0 ... in so many files of equal length, in the order of their names here."""
    share = N // len(names)
    return {name: [f"u{n}" for n in range(k * share, (k + 1) * share)] for k, name in
            enumerate(names)}  # fmt: skip


def test_metadata_of_some_vectors(captionlake, search, cases: Path, tmp_path: Path) -> None:
    trial = cases / "trials/index-with-part-of-metadata"
    outcome = captionlake(
        *("import-embeddings", "--input", trial / "queries", "--form", "clip_retrieval"),
        *("--uid-column", "image_path", "--model", "m:x", "--output", tmp_path / "q"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    outcome = search(
        trial / "input", "--modality", "image", "--uid-column", "image_path", table=tmp_path / "q"
    )
    assert outcome.exit_code == 3
    assert "has 40 vectors, but its metadata has 30 rows in 3 files" in outcome.error
    assert "files are missing with the numbers 1;" in outcome.error
    assert not (tmp_path / "found").exists()


def test_metadata_files_follow_each_other_by_number(
    search, spark: SparkSession, tmp_path: Path
) -> None:
    vectors = unit(N)
    folder = write_index(tmp_path / "index", faiss.IndexFlatIP(16), vectors)
    write_metadata(folder, in_files([f"metadata_{n}" for n in range(12)]))  # 10 is behind 2 here
    outcome = search(folder)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["counts"] == {"queries": 8, "rows": 40, "not_found": 0}
    rows = read_delta(spark, tmp_path / "found").collect()
    cosines = unit(8, seed=1).astype(float) @ vectors.astype(float).T
    for query in range(8):
        expected = np.argsort(-cosines[query])[:5]
        of_query = sorted(
            (r.rank, r.uid, r.similarity) for r in rows if r.query_id == f"q{query:04}"
        )
        assert [uid for _, uid, _ in of_query] == [f"u{n}" for n in expected]
        assert [rank for rank, *_ in of_query] == list(range(5))
        stored = [similarity for *_, similarity in of_query]
        assert stored == np.round(cosines[query][expected], 6).astype(np.float32).tolist()
    assert "does not say of which model it is" in outcome.stderr


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (in_files(["metadata_0", "metadata_1"]) | {"metadata_2": ["more"]}, "has 61 rows in 3"),
        ({"metadata_0": [None, *(f"u{n}" for n in range(1, N))]}, "of vector 0 has no uid"),
        ({}, "has no parquet files in metadata/"),
    ],
)
def test_metadata_that_is_not_of_the_vectors(search, tmp_path: Path, files, message: str) -> None:
    folder = write_index(tmp_path / "index", faiss.IndexFlatIP(16), unit(N))
    write_metadata(folder, files)
    outcome = search(folder)
    assert outcome.exit_code == 3
    assert message in outcome.error


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (faiss.IndexFlatL2(16), "compares by distance (L2)"),
        (faiss.index_factory(16, "PCA8,IVF2,Flat", faiss.METRIC_L2), "compares by distance"),
        (faiss.IndexHNSWFlat(16, 8), "compares by distance"),
    ],
)
def test_distances_are_no_cosines(search, tmp_path: Path, index, message: str) -> None:
    folder = write_index(tmp_path / "index", index, unit(N))
    write_metadata(folder, in_files(["metadata_0"]))
    outcome = search(folder)
    assert outcome.exit_code == 3
    assert message in outcome.error
    assert "build it again with build-index" in outcome.error


def test_files_that_are_no_index_of_vectors(search, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    write_metadata(folder, in_files(["metadata_0"]))
    binary = faiss.IndexBinaryFlat(16)
    binary.add(np.zeros((N, 2), np.uint8))
    faiss.write_index_binary(binary, str(folder / "text.index"))
    for content in (None, b"junk", b""):
        if content is not None:
            (folder / "text.index").write_bytes(content)
        outcome = search(folder)
        assert outcome.exit_code == 3
        assert "text.index: cannot be read as an index of float vectors" in outcome.error


@pytest.mark.slow
def test_ids_that_are_no_rows_and_lengths_that_are_not_1(search, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    write_metadata(folder, in_files(["metadata_0"]))
    vectors = unit(N)
    numbered = faiss.IndexIDMap(faiss.IndexFlatIP(16))
    numbered.add_with_ids(vectors, np.arange(1_000, 1_000 + N))
    faiss.write_index(numbered, str(folder / "text.index"))
    outcome = search(folder)
    assert outcome.exit_code == 3
    assert "but it holds 60: its ids are not the rows of its metadata" in outcome.error
    for factory in ("Flat", "IVF2,Flat"):
        index = faiss.index_factory(16, factory, faiss.METRIC_INNER_PRODUCT)
        write_index(folder, index, 9 * vectors)
        outcome = search(folder)
        assert outcome.exit_code == 3
        assert "so its vectors are not of unit length" in outcome.error


def test_what_the_lists_do_not_hold_is_counted(search, spark, tmp_path: Path) -> None:
    index = faiss.index_factory(16, "IVF30,Flat", faiss.METRIC_INNER_PRODUCT)
    folder = write_index(tmp_path / "index", index, unit(N))
    write_metadata(folder, in_files(["metadata_0"]))
    outcome = search(folder, "--n-probe", 1)
    counts = outcome.summary["counts"]
    assert counts["rows"] + counts["not_found"] == 8 * 5
    assert 0 < counts["not_found"] < 40
    assert f"{counts['not_found']} of 40 neighbours were not found" in outcome.stderr
    assert read_delta(spark, tmp_path / "found").count() == counts["rows"]
    more = search(folder, "--n-probe", 30, "--set", "k=100").summary["counts"]
    assert more == {"queries": 8, "rows": 8 * N, "not_found": 0}


class TestBuilt:
    @pytest.fixture
    def built(self, captionlake, tmp_path: Path) -> Path:
        vectors = write_vectors(tmp_path / "in.parquet", np.vstack([unit(N), [[np.nan] * 16]]))
        outcome = captionlake(
            *("build-index", "--embeddings", vectors, "--factory", "Flat"),
            *("--output", tmp_path / "index"),
        )
        assert outcome.exit_code == 0, outcome.stderr
        counts = outcome.summary["counts"]
        assert (counts["vectors"], counts["without_vector"]) == (N, 1)
        return tmp_path / "index"

    def test_each_vector_finds_itself_and_other_models_are_refused(
        self, search, spark, built: Path, tmp_path: Path
    ) -> None:
        outcome = search(built, table=tmp_path / "in.parquet")
        assert outcome.exit_code == 0, outcome.stderr
        assert "which model" not in outcome.stderr
        first = read_delta(spark, tmp_path / "found").where("rank = 0").collect()
        assert {(r.query_id, r.uid, r.similarity, r.model, r.weights) for r in first} == {
            (f"u{n:04}", f"u{n:04}", 1.0, "open_clip:ViT-B-32", "w") for n in range(N)
        }
        others = {"model": "open_clip:ViT-L-14"}, {"weights": "laion2b"}
        for other in others:
            table = write_vectors(tmp_path / "other.parquet", unit(3), "query_id", **other)
            outcome = search(built, table=table)
            assert outcome.exit_code == 3
            assert "is of open_clip:ViT-B-32 (w), but" in outcome.error
            assert " ".join(other.values()) in outcome.error
        prompted = {"model": "open_clip:ViT-B-32 (prompt query)"}
        table = write_vectors(tmp_path / "prompted.parquet", unit(3), "query_id", **prompted)
        assert search(built, table=table).exit_code == 0

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"{}", "model: is missing"), (b"[", "cannot be read"), (b" " * 70_000, "70,000")],
    )
    def test_a_record_that_cannot_be_read(
        self, search, built: Path, content: bytes, message: str
    ) -> None:
        (built / "built_from.json").write_bytes(content)
        outcome = search(built)
        assert outcome.exit_code == 3
        assert message in outcome.error

    def test_others_can_read_it_and_a_rebuild_replaces_it(
        self, captionlake, search, built: Path, tmp_path: Path
    ) -> None:
        files = [file for file in built.rglob("*") if file.is_file()]
        assert {file.stat().st_mode & 0o777 for file in files} == {0o644}
        command = [*("build-index", "--embeddings", tmp_path / "in.parquet", "--output", built)]
        assert captionlake(*command, "--factory", "Flat").summary["status"] == "up_to_date"
        write_vectors(tmp_path / "in.parquet", unit(20, seed=4))
        other = captionlake(*command, "--factory", "Flat", "--modality", "image")
        assert "which build-index --modality image would remove" in other.error
        outcome = captionlake(*command, "--factory", "Flat")
        assert outcome.exit_code == 0, outcome.stderr
        assert search(built).summary["counts"]["rows"] == 8 * 5


@pytest.mark.parametrize(
    ("vectors", "uids", "captions", "message"),
    [
        (3 * unit(4), None, None, "has length 3, expected 1: import-embeddings"),
        (unit(4), ["a", "b", "a", "c"], None, "in.parquet: uid 'a' is there 2 times"),
        (unit(4), ["a", "b", None, None], None, "in.parquet: uid is null in 2 rows"),
        (unit(4), None, ["u0001", "u0001"], "captions.parquet: uid 'u0001' is there 2 times"),
    ],
)
def test_vectors_that_make_no_index(
    captionlake, tmp_path: Path, vectors, uids, captions, message: str
) -> None:
    more = {} if uids is None else {"uid": uids}
    command = [*("--embeddings", write_vectors(tmp_path / "in.parquet", vectors, **more))]
    if captions is not None:
        table = pa.table({"uid": captions, "caption": ["x"] * len(captions)})
        pq.write_table(table, tmp_path / "captions.parquet")
        command += ["--captions", tmp_path / "captions.parquet"]
    for job in (["build-index", "--factory", "Flat"], ["export-embeddings", "--form", "datacomp"]):
        outcome = captionlake(*job, *command, "--output", tmp_path / "out")
        assert outcome.exit_code == 3
        assert message in outcome.error
        assert not list((tmp_path / "out").glob("[!.]*"))
