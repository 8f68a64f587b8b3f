"""Tables of vectors with repeated keys, without keys, or not of unit length."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta
from udfs.vectors import vector_lists


def unit(n: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_vectors(path: Path, vectors: np.ndarray, uids: list[Any], **columns: Any) -> Path:
    """A table of embeddings, a vector of NaN being none."""
    is_sound = pa.array(~np.isnan(vectors).all(axis=1))
    table = {
        "uid": pa.array(uids, pa.string()),
        "embedding": vector_lists(vectors.astype(np.float32), is_sound),
        "model": ["m"] * len(vectors),
        "weights": ["w"] * len(vectors),
    }
    pq.write_table(pa.table(table | columns), path)
    return path


@pytest.mark.parametrize("seed", range(2))
def test_every_caption_is_scored_or_counted(
    captionlake, spark: SparkSession, tmp_path: Path, seed: int
) -> None:
    """Against each pair by itself, in double precision."""
    draws = np.random.default_rng(seed)
    of_images, of_captions = unit(40, seed), unit(90, seed + 7)
    of_images[draws.choice(40, 6, replace=False)] = np.nan
    of_captions[draws.choice(90, 11, replace=False)] = np.nan
    of_captions[5] = of_images[np.flatnonzero(~np.isnan(of_images[:, 0]))[0]]
    image_uids = [f"u{k}" for k in range(40)]
    images = write_vectors(tmp_path / "images.parquet", of_images, image_uids)
    pairs = [divmod(int(k), 3) for k in draws.choice(55 * 3, 90, replace=False)]
    pairs[5] = (int(np.flatnonzero(~np.isnan(of_images[:, 0]))[0]), 9)
    captions = write_vectors(
        tmp_path / "captions.parquet",
        of_captions,
        [f"u{uid}" for uid, _ in pairs],
        caption_id=pa.array([number for _, number in pairs], pa.int32()),
    )
    outcome = captionlake(
        *("score-clip", "--images", images, "--captions", captions),
        *("--output", tmp_path / "scores"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    expected = {}
    n = {"captions": 90, "scored": 0, "without_vector": 0, "without_image": 0}
    for vector, (uid, number) in zip(of_captions.astype(float), pairs, strict=True):
        if np.isnan(vector[0]):
            n["without_vector"] += 1
        elif uid >= 40 or np.isnan(of_images[uid][0]):
            n["without_image"] += 1
        else:
            n["scored"] += 1
            expected[f"u{uid}", number] = vector @ of_images[uid].astype(float)
    assert outcome.summary["counts"] == n
    rows = read_delta(spark, tmp_path / "scores").collect()
    scores = {(row.uid, row.caption_id): row.score for row in rows}
    assert scores.keys() == expected.keys()
    for key, score in scores.items():
        assert abs(score - expected[key]) < 7e-7
        assert score == np.float32(round(float(score), 6))
    assert scores[f"u{pairs[5][0]}", 9] == 1.0


@pytest.mark.parametrize(
    ("images", "captions", "message"),
    [
        ({"uids": ["a", "b", "a"]}, {}, "images.parquet: uid 'a' is there 2 times"),
        ({}, {"uids": ["a", "b", "b"]}, "captions.parquet: uid 'b' is there 2 times"),
        ({}, {"uids": ["a", None, "b"]}, "captions.parquet: uid is null in 1 rows"),
        ({"times": 3.0}, {}, "images.parquet: the vector of 'a' has length 3, expected 1"),
        ({}, {"times": 0.5}, "captions.parquet: the vector of 'a' has length 0.5, expected 1"),
        ({}, {"times": np.inf}, "captions.parquet: the vector of 'a' has length"),
    ],
)
def test_pairs_that_are_not_scored(
    captionlake, tmp_path: Path, images: dict, captions: dict, message: str
) -> None:
    for name, how in (("images", images), ("captions", captions)):
        vectors = unit(3)
        vectors[0] *= how.get("times", 1.0)
        write_vectors(tmp_path / f"{name}.parquet", vectors, how.get("uids", ["a", "b", "c"]))
    outcome = captionlake(
        *("score-clip", "--images", tmp_path / "images.parquet"),
        *("--captions", tmp_path / "captions.parquet", "--output", tmp_path / "scores"),
    )
    assert outcome.exit_code == 3
    assert message in outcome.error


@pytest.mark.parametrize(
    ("queries", "embeddings", "message"),
    [
        ({"uids": ["a", "a", "b"]}, {}, "q.parquet: uid 'a' is there 2 times; expected one vector"),
        ({"times": 3.0}, {}, "q.parquet: the vector of 'a' has length 3, expected 1"),
        ({}, {"times": 3.0}, "in.parquet: the vector of 'a' has length 3, expected 1"),
    ],
)
def test_vectors_that_are_not_searched(
    captionlake, tmp_path: Path, queries: dict, embeddings: dict, message: str
) -> None:
    for name, how in (("q", queries), ("in", embeddings)):
        vectors = unit(3)
        vectors[0] *= how.get("times", 1.0)
        write_vectors(tmp_path / f"{name}.parquet", vectors, how.get("uids", ["a", "b", "c"]))
    outcome = captionlake(
        *("search-neighbours", "--queries", tmp_path / "q.parquet"),
        *("--embeddings", tmp_path / "in.parquet", "--output", tmp_path / "out"),
    )
    assert outcome.exit_code == 3
    assert message in outcome.error


def test_texts_that_share_a_key_are_not_embedded(captionlake, tiny_clip, tmp_path: Path) -> None:
    command = ["embed-texts", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
    command += ["--model", f"open_clip:{tiny_clip}"]
    for uids, message in (
        (["a", "b", "a"], "uid 'a' is there 2 times; expected one row a key"),
        (["a", None, "b"], "uid is null in 1 rows"),
    ):
        columns = {"uid": pa.array(uids, pa.string()), "caption": ["x", "y", "z"]}
        pq.write_table(pa.table(columns), tmp_path / "in.parquet")
        outcome = captionlake(*command)
        assert outcome.exit_code == 3
        assert message in outcome.error
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_caption_id_that_is_null_is_a_key_like_any_other(
    captionlake, spark: SparkSession, tiny_clip, tmp_path: Path
) -> None:
    command = ["embed-texts", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
    command += ["--model", f"open_clip:{tiny_clip}"]
    numbers = pa.array([0, 1, None, None, 0], pa.int32())
    columns = {"uid": ["a", "a", "a", "b", "c"], "caption_id": numbers, "caption": [*"vwxyz"]}
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    assert captionlake(*command).summary["counts"]["embedded"] == 5
    columns["caption"] = [*"vwXyz"]
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    counts = captionlake(*command).summary["counts"]
    assert counts == {"rows_in": 5, "embedded": 1, "kept": 4, "faulty": 0}
    assert read_delta(spark, tmp_path / "out").count() == 5


@pytest.mark.slow
def test_another_prompt_embeds_again(captionlake, spark: SparkSession, tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": ["a"], "caption": ["x"]}), tmp_path / "in.parquet")
    command = ["embed-texts", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
    for more, model in (([], "minilm"), (["--prompt", "query"], "minilm (prompt query)")):
        counts = captionlake(*command, *more).summary["counts"]
        assert (counts["embedded"], counts["kept"]) == (1, 0)
        [row] = read_delta(spark, tmp_path / "out").collect()
        assert row.model == model
    outcome = captionlake(*command, "--prompt", "qery")
    assert outcome.exit_code == 3
    assert "model minilm: has no prompt 'qery'; it has 'query'" in outcome.error


def test_open_clip_has_no_prompts(captionlake, tmp_path: Path) -> None:
    command = ["embed-texts", "--input", tmp_path / "in.parquet", "--output", tmp_path / "out"]
    outcome = captionlake(*command, "--prompt", "query", "--model", "open_clip:ViT-B-32")
    assert outcome.exit_code == 2
    assert "has no prompts, found prompt 'query'" in outcome.error


def neighbours(path: Path, rows: list[tuple[str, str, float]], **columns: Any) -> Path:
    query_id, uid, similarity = zip(*rows, strict=True)
    table = {
        "query_id": query_id,
        "uid": uid,
        "rank": pa.array([0] * len(rows), pa.int32()),
        "similarity": pa.array(similarity, pa.float32()),
    }
    pq.write_table(pa.table(table | columns), path)
    return path


def test_neighbours_that_gather_cannot_use(captionlake, tmp_path: Path) -> None:
    queries = {"query_id": ["q0", "q1"], "dataset": ["D", "D"], "query": ["cat", "dog"]}
    pq.write_table(pa.table(queries), tmp_path / "queries.parquet")
    captions = {"uid": ["a", "b", "c", "c"], "caption": ["1", "2", "3", "4"]}
    pq.write_table(pa.table(captions), tmp_path / "captions.parquet")
    command = [
        *("gather-neighbours", "--queries", tmp_path / "queries.parquet"),
        *("--captions", tmp_path / "captions.parquet", "--output", tmp_path / "out"),
        *("--set", "drop_nsfw=[]"),
    ]
    rows = [("q0", "a", 0.5), ("q1", "a", 0.5), ("q0", "gone", 0.5), ("q9", "b", 0.5)]
    by_text = neighbours(tmp_path / "t.parquet", rows, model=["m"] * 4, weights=["w"] * 4)
    counts = captionlake(*command, "--by-text", by_text).summary["counts"]
    assert counts == {
        **{"neighbours": 4, "of_other_queries": 1, "retrieved": 3, "without_caption": 1},
        **{"unsafe": 0, "rows": 2, "uids": 1, "classes": 2, "classes_found": 2},
    }
    found = [("q0", "c", 0.5)]
    by_image = neighbours(tmp_path / "i.parquet", found, model=["n"], weights=["w"])
    outcome = captionlake(*command, "--by-text", by_text, "--by-image", by_image)
    assert outcome.exit_code == 3
    assert "similarities of several models cannot be united: m (w) in" in outcome.error
    outcome = captionlake(*command, "--by-text", neighbours(tmp_path / "c.parquet", found))
    assert outcome.exit_code == 3
    assert "captions.parquet: uid 'c' is there 2 times" in outcome.error


def test_items_and_neighbours_that_have_nothing_in_common(captionlake, tmp_path: Path) -> None:
    items = {"query_id": ["i0", "i1", "i2"], "wnid": ["n1", None, "n2"], "place": [2, 1, None]}
    pq.write_table(pa.table(items), tmp_path / "items.parquet")
    rows = [("i0", "a", 0.5), ("i1", "b", 0.5), ("q", "c", 0.5)]
    command = [
        *("assign-neighbours", "--items", tmp_path / "items.parquet"),
        *("--output", tmp_path / "out", "--neighbours"),
    ]
    counts = captionlake(*command, neighbours(tmp_path / "n.parquet", rows)).summary["counts"]
    assert counts == {
        **{"items": 3, "without_class": 1, "neighbours": 3, "left_out": 2},
        **{"rows": 1, "uids": 1, "classes": 1},
    }
    outcome = captionlake(*command, tmp_path / "n.parquet", "--order", "place")
    assert outcome.exit_code == 3
    assert "items.parquet: place is null for 'i2'" in outcome.error
    outcome = captionlake(*command, neighbours(tmp_path / "o.parquet", rows[1:]))
    assert outcome.exit_code == 3
    assert "is an item of" in outcome.error


def test_two_classes_of_one_name(captionlake, tmp_path: Path) -> None:
    for name in ("a", "b"):
        text = "dataset: Pets\ntemplates: ['{}']\nclasses: [cat, dog]\n"
        (tmp_path / f"{name}.yml").write_text(text)
    files = f"[{tmp_path / 'a.yml'}, {tmp_path / 'b.yml'}]"
    outcome = captionlake("make-queries", "--classes", files, "--output", tmp_path / "out")
    assert outcome.exit_code == 3
    assert "several queries are called 'Pets/cat/0'" in outcome.error
