"""search-neighbours and assign-neighbours: exact search and the published rules behind it."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.core.errors import InputDataError
from spark_jobs.embedding import driver_vectors
from spark_jobs.neighbours import exact
from spark_jobs.storage.run import Run
from tests.delta_tables import read_delta
from udfs.vectors import vector_lists


def read(spark: SparkSession, path: Path) -> DataFrame:
    return read_delta(spark, path)


def unit(n: int, dimension: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_vectors(
    path: Path, key: str, vectors: np.ndarray, model: str = "m", n_files: int = 1
) -> None:
    """An embeddings table as parquet files, its last row without a vector."""
    path.mkdir()
    n = len(vectors)
    lists = vector_lists(np.vstack([vectors, vectors[:1]]), pa.array([*[True] * n, False]))
    table = pa.table(
        {
            key: [f"{key[0]}{k}" for k in range(n + 1)],
            "embedding": lists,
            "model": [model] * (n + 1),
            "weights": ["w"] * (n + 1),
        }
    )
    for k in range(n_files):
        pq.write_table(table.take(list(range(k, n + 1, n_files))), path / f"{k}.parquet")


def test_the_nearest_of_all_files_whatever_their_number(
    captionlake, spark: SparkSession, tmp_path: Path
) -> None:
    vectors = unit(700, 16, 0)
    vectors[500:600] = vectors[0]  # a text that stands there a hundred times
    queries = np.vstack([unit(20, 16, 1), vectors[:1]])
    write_vectors(tmp_path / "queries", "query_id", queries)
    found = []
    for n_files in (1, 5):
        write_vectors(tmp_path / f"in{n_files}", "uid", vectors, n_files=n_files)
        outcome = captionlake(
            *("search-neighbours", "--queries", tmp_path / "queries", "--k", 30),
            *("--embeddings", tmp_path / f"in{n_files}", "--output", tmp_path / f"out{n_files}"),
        )
        assert outcome.exit_code == 0, outcome.stderr
        assert outcome.summary["counts"] == {
            "queries": 21, "searched": 700, "rows": 630, "not_found": 0
        }  # fmt: skip
        rows = read(spark, tmp_path / f"out{n_files}").orderBy("query_id", "rank").collect()
        found.append([(row.query_id, row.rank, row.uid) for row in rows])
        for row in rows:
            exact = queries[int(row.query_id[1:])] @ vectors[int(row.uid[1:])]
            assert abs(row.similarity - exact) < 1e-6
    assert found[0] == found[1]
    similarity = np.round(queries.astype(float) @ vectors.astype(float).T, 6)
    for k in range(21):
        of_query = [uid for query, _, uid in found[0] if query == f"q{k}"]
        told = sorted(similarity[k][[int(uid[1:]) for uid in of_query]])
        assert told == sorted(similarity[k])[-30:]


@pytest.mark.slow
def test_blocks_of_queries_give_what_all_at_once_give(
    captionlake, spark: SparkSession, tmp_path: Path, monkeypatch
) -> None:
    """One block of 12 queries, and 3 of what a closure of 128 bytes holds."""
    write_vectors(tmp_path / "in", "uid", unit(50, 8, 3), n_files=3)
    write_vectors(tmp_path / "q", "uid", unit(50, 8, 3)[:12])
    found = []
    for name, most in (("_MOST_CANDIDATES", 36), ("_MOST_QUERY_BYTES", 128)):
        with monkeypatch.context() as patch:
            patch.setattr(exact, name, most)
            outcome = captionlake(
                *("search-neighbours", "--queries", tmp_path / "q", "--k", 3),
                *("--embeddings", tmp_path / "in", "--output", tmp_path / "out"),
                "--force",
            )
        assert outcome.exit_code == 0, outcome.stderr
        assert outcome.summary["counts"]["rows"] == 36
        assert outcome.summary["counts"]["not_found"] == 0
        rows = read(spark, tmp_path / "out").orderBy("query_id", "rank").collect()
        found.append([tuple(row) for row in rows])
    assert {(row[0], row[1]) for row in found[0] if row[2] == 0} == {
        (f"u{k}", f"u{k}") for k in range(12)
    }
    assert found[0] == found[1]
    assert spark.sql(f"DESCRIBE HISTORY delta.`{tmp_path}/out`").count() == 1 + 3


@pytest.mark.slow
def test_an_interrupted_search_is_not_up_to_date(
    captionlake, spark: SparkSession, tmp_path: Path, monkeypatch
) -> None:
    write_vectors(tmp_path / "in", "uid", unit(20, 8, 3))
    write_vectors(tmp_path / "q", "uid", unit(20, 8, 3)[:6])
    monkeypatch.setattr(exact, "_MOST_QUERY_BYTES", 2 * 32)
    command = ["search-neighbours", "--queries", tmp_path / "q", "--k", 3]
    command += ["--embeddings", tmp_path / "in", "--output", tmp_path / "out"]
    with monkeypatch.context() as patch:
        extend, blocks = Run.commit_part, []

        def fails_the_second_time(*arguments: object, **more: object) -> object:
            blocks.append(1)
            if len(blocks) == 2:
                raise InputDataError("no more")
            return extend(*arguments, **more)

        patch.setattr(Run, "commit_part", fails_the_second_time)
        assert captionlake(*command).exit_code == 3
    assert read(spark, tmp_path / "out").count() == 6
    outcome = captionlake(*command)
    assert outcome.summary["status"] == "done"
    assert read(spark, tmp_path / "out").count() == 18
    assert captionlake(*command).summary["status"] == "up_to_date"
    parquet = captionlake(*command, "--output", f"parquet:{tmp_path}/p")
    assert parquet.exit_code == 2
    assert "6 queries are searched for in 3 passes" in parquet.error


def test_closures_of_queries_are_bounded() -> None:
    for n, dimension, k in ((1, 512, 50), (1_000_000, 512, 50), (70_000, 768, 500), (5, 8, 1)):
        blocks = exact.query_blocks(n, dimension, k)
        assert [row for block in blocks for row in (block.start, block.stop)][1:-1:2] == [
            block.start for block in blocks[1:]
        ]
        assert (blocks[0].start, blocks[-1].stop) == (0, n)
        widest = max(block.stop - block.start for block in blocks)
        assert widest * dimension * 4 <= 32 << 20
        assert widest * k <= 4_000_000


def test_more_queries_than_the_driver_takes(captionlake, tmp_path: Path, monkeypatch) -> None:
    write_vectors(tmp_path / "in", "uid", unit(20, 8, 3))
    monkeypatch.setattr(driver_vectors, "MOST_DRIVER_BYTES", 19 * 32)
    outcome = captionlake(
        *("search-neighbours", "--queries", tmp_path / "in", "--embeddings", tmp_path / "in"),
        *("--output", tmp_path / "out"),
    )
    assert outcome.exit_code == 3
    assert "20 vectors of 8 numbers would be on the driver, which takes 19" in outcome.error
    assert "search for them in parts" in outcome.error


@pytest.mark.parametrize(
    ("queries", "embeddings", "message"),
    [
        ({"model": "other"}, {}, "is of other (w), but"),
        ({"n": 0}, {}, "holds no vector"),
        ({}, {"dimension": 9}, "have 8 numbers, those of"),
    ],
)
def test_vectors_that_cannot_be_compared(
    captionlake, tmp_path: Path, queries: dict, embeddings: dict, message: str
) -> None:
    for name, how in (("q", queries), ("in", embeddings)):
        vectors = unit(max(how.get("n", 5), 1), how.get("dimension", 8), 0)
        write_vectors(tmp_path / name, "uid", vectors, how.get("model", "m"))
        if how.get("n") == 0:
            table = pq.read_table(tmp_path / name / "0.parquet").slice(1)
            pq.write_table(table, tmp_path / name / "0.parquet")
    outcome = captionlake(
        *("search-neighbours", "--queries", tmp_path / "q", "--output", tmp_path / "out"),
        *("--embeddings", tmp_path / "in"),
    )
    assert outcome.exit_code == 3, outcome.stderr
    assert message in outcome.error


class TestAssign:
    @pytest.fixture
    def inputs(self, cases: Path, tmp_path: Path) -> list[object]:
        rows = pq.read_table(cases / "t2t_assign/input_neighbours.parquet").to_pylist()
        random.Random(0).shuffle(rows)
        neighbours = {
            "query_id": [row["ic_index"] for row in rows],
            "uid": [str(row["row_id"]) for row in rows],
            "rank": pa.array([row["rank"] for row in rows], pa.int32()),
            "similarity": pa.array([row["similarity"] for row in rows], pa.float32()),
        }
        pq.write_table(pa.table(neighbours), tmp_path / "neighbours.parquet")
        items = {row["ic_index"]: (row["wnid"], row["item_order"]) for row in rows}
        columns = {
            "query_id": list(items),
            "wnid": [wnid for wnid, _ in items.values()],
            "item_order": [order for _, order in items.values()],
        }
        pq.write_table(pa.table(columns), tmp_path / "items.parquet")
        files = ["--neighbours", tmp_path / "neighbours.parquet"]
        return ["assign-neighbours", *files, "--items", tmp_path / "items.parquet"]

    @pytest.mark.parametrize(
        ("rule", "file", "column"),
        [
            ("union", "union", "wnid"),
            ("greedy", "greedy", "wnid"),
            ("most_similar", "most_similar_class", "wnid_by_true_maximum"),
            ("most_similar_published", "most_similar_class", "wnid_reference"),
        ],
    )
    def test_published(
        self, captionlake, spark, inputs, cases: Path, tmp_path: Path, rule, file, column
    ) -> None:
        outcome = captionlake(
            *(*inputs, "--rule", rule, "--order", "item_order", "--output", tmp_path / "out")
        )
        assert outcome.exit_code == 0, outcome.stderr
        expected = pq.read_table(cases / f"t2t_assign/expected_{file}.parquet").to_pylist()
        found = {(row.wnid, row.uid) for row in read(spark, tmp_path / "out").collect()}
        assert found == {(row[column], str(row["row_id"])) for row in expected}

    def test_an_item_twice(self, captionlake, inputs, tmp_path: Path) -> None:
        items = pq.read_table(tmp_path / "items.parquet")
        pq.write_table(pa.concat_tables([items, items]), tmp_path / "items.parquet")
        outcome = captionlake(*inputs, "--output", tmp_path / "out")
        assert outcome.exit_code == 3
        assert "is there 2 times" in outcome.error
