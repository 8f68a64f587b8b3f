"""dedup-images: groups by bytes, url, perceptual hash and embedding, against plain union-find."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.delta_tables import read_delta

IMAGES = "uid string, image binary, width int, height int, url string, sha256 string, fault string"


def groups_of(spark, path: Path) -> dict[str, tuple[str, bool, str | None]]:
    rows = read_delta(spark, path).collect()
    assert len({row["uid"] for row in rows}) == len(rows)
    return {row["uid"]: (row["group"], row["kept"], row["fault"]) for row in rows}


def write(spark, path: Path, rows: list[Any], columns: str) -> Path:
    spark.createDataFrame(rows, columns).coalesce(1).write.format("delta").save(str(path))
    return path


def dedup(captionlake, folder: Path, table: Path, *arguments: object) -> Any:
    return captionlake(
        *("dedup-images", "--input", table, "--groups", folder / "groups", *arguments)
    )


def plain_groups(uids: list[str], pairs: set[tuple[int, int]]) -> dict[str, str]:
    """uid -> smallest uid of its component: labels spread until nothing changes."""
    labels = dict(enumerate(uids))
    changed = True
    while changed:
        changed = False
        for a, b in pairs:
            low = min(labels[a], labels[b])
            changed |= labels[a] != low or labels[b] != low
            labels[a] = labels[b] = low
    return {uid: labels[k] for k, uid in enumerate(uids)}


@pytest.fixture(scope="module")
def images(spark, tmp_path_factory) -> Path:
    sha = hashlib.sha256(b"one").hexdigest()
    rows = [
        ("b", b"one", 10, 10, "http://x/1", sha, None),
        ("a", b"one", 5, 5, "http://x/2", sha.upper(), None),
        ("c", b"two", 7, 7, "http://x/1", hashlib.sha256(b"two").hexdigest(), None),
        ("d", None, None, None, None, None, "image_broken"),
        ("e", None, None, None, "", None, None),
        ("f", None, None, None, "", None, None),
    ]
    return write(spark, tmp_path_factory.mktemp("images") / "images", rows, IMAGES)


def test_equal_bytes_are_a_group_of_which_the_largest_picture_stays(
    captionlake, spark, tmp_path, images
) -> None:
    outcome = dedup(
        *(captionlake, tmp_path, images, "--keep", "largest_picture"),
        *("--output", tmp_path / "out", "--decisions"),
    )
    assert groups_of(spark, tmp_path / "groups") == {
        "a": ("a", False, None),
        "b": ("a", True, None),
        "c": ("c", True, None),
        "d": ("d", True, "image_broken"),
        "e": ("e", True, "no_sha256"),
        "f": ("f", True, "no_sha256"),
    }
    assert outcome.summary["counts"] == {
        "rows_in": 6, "kept": 5, "duplicates": 1, "groups": 1, "not_compared": 3,
    }  # fmt: skip
    out = read_delta(spark, tmp_path / "out")
    assert out.columns == read_delta(spark, images).columns
    assert sorted(row["uid"] for row in out.collect()) == ["b", "c", "d", "e", "f"]
    decisions = read_delta(spark, tmp_path / "decisions")
    rules = {row["uid"]: (row["kept"], row["rule"]) for row in decisions.collect()}
    assert rules["a"] == (False, "duplicate_sha256")
    assert rules["b"] == rules["d"] == (True, "first_copy")


@pytest.mark.slow
def test_empty_urls_are_no_copies_of_each_other(captionlake, spark, tmp_path, images) -> None:
    dedup(captionlake, tmp_path, images, "--by", "url")
    groups = groups_of(spark, tmp_path / "groups")
    assert {uid for uid, (_, kept, _) in groups.items() if not kept} == {"c"}
    assert groups["e"] == ("e", True, "no_url")


@pytest.mark.slow
def test_the_highest_score_of_another_table_stays(captionlake, spark, tmp_path, images) -> None:
    nan = float("nan")
    scores = write(
        spark, tmp_path / "scores", [("a", nan), ("b", None), ("c", 0.5)], "uid string, score float"
    )
    dedup(
        *(captionlake, tmp_path, images, "--by", "url", "--keep", "highest"),
        *("--keep-from", scores),
    )
    groups = groups_of(spark, tmp_path / "groups")
    assert groups["b"] == ("b", False, None)
    assert groups["c"] == ("b", True, None)


def test_near_hashes_are_grouped_as_by_brute_force(captionlake, spark, tmp_path) -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(-(2**63), 2**63, 300)
    for row in range(100, 300):
        flips = random.choice(63, int(random.integers(0, 6)), replace=False)
        hashes[row] = hashes[random.integers(row)] ^ np.int64(sum(1 << int(b) for b in flips))
    uids = [f"u{k:03}" for k in random.permutation(300)]
    rows = list(zip(uids, hashes.tolist(), strict=True))
    table = write(spark, tmp_path / "hashes", rows, "uid string, phash bigint")
    outcome = dedup(captionlake, tmp_path, table, "--by", "phash", "--threshold", 3)
    different = (hashes[:, None] ^ hashes[None]).view(np.uint8)
    bits = np.unpackbits(different, axis=-1).reshape(300, 300, 64).sum(axis=-1)
    pairs = set(zip(*np.nonzero(bits <= 3), strict=True))
    expected = plain_groups(uids, pairs)
    groups = groups_of(spark, tmp_path / "groups")
    assert {uid: group for uid, (group, _, _) in groups.items()} == expected
    assert {uid for uid, (_, kept, _) in groups.items() if kept} == set(expected.values())
    assert outcome.summary["counts"]["kept"] == len(set(expected.values()))


def embeddings(spark, path: Path, vectors: Any, model: list[str] | None = None) -> Path:
    models = model or ["m"] * len(vectors)
    rows = [
        (f"u{k:03}", None if v is None else [float(x) for x in v], m if v is not None else None,
         None, None if v is not None else "image_broken")
        for k, (v, m) in enumerate(zip(vectors, models, strict=True))
    ]  # fmt: skip
    columns = "uid string, embedding array<float>, model string, weights string, fault string"
    return write(spark, path, rows, columns)


@pytest.mark.parametrize("search", ["blocks", "hashes", "all pairs"])
def test_similar_vectors_are_grouped_as_by_brute_force(
    captionlake, spark, tmp_path, monkeypatch, search: str
) -> None:
    from spark_jobs.images import near_pairs
    from spark_jobs.jobs import dedup_images
    from udfs.hyperplane_plan import HashPlan

    monkeypatch.setattr(near_pairs, "_BLOCK_BYTES", 4 * 16 * 40)  # six blocks
    options = []
    if search != "blocks":
        monkeypatch.setattr(dedup_images, "_WORTH_HASHES", 1)
        # Not planned: for so few it costs less to compare each with each.
        monkeypatch.setattr(near_pairs, "plan_hashes", lambda *_: HashPlan(4, 50, 110))
    if search == "hashes":
        monkeypatch.setattr(dedup_images, "near_vectors", None)
    if search == "all pairs":
        monkeypatch.setattr(dedup_images, "near_hashed_vectors", None)
        options.append("--all-pairs")
    random = np.random.default_rng(1)
    vectors = random.normal(size=(201, 16))
    for row in range(50, 201):
        noise = random.normal(size=16) * random.choice([0, 0.2, 1])
        vectors[row] = vectors[random.integers(row)] + noise
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    table = embeddings(spark, tmp_path / "vectors", [*vectors, None, None])
    by_vector = ("--by", "embedding", "--threshold", 0.95)
    outcome = dedup(captionlake, tmp_path, table, *by_vector, *options)
    cosines = vectors.astype(float) @ vectors.T.astype(float)
    pairs = set(zip(*np.nonzero(np.round(cosines, 6) >= 0.95), strict=True))
    uids = [f"u{k:03}" for k in range(203)]
    groups = groups_of(spark, tmp_path / "groups")
    assert {uid: group for uid, (group, _, _) in groups.items()} == plain_groups(uids, pairs)
    assert groups["u202"] == ("u202", True, "image_broken")
    assert outcome.summary["counts"]["not_compared"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "embedding"], "by embedding needs a threshold, such as --threshold 0.95"),
        (["--by", "embedding", "--threshold", 1.5], "threshold 1.5 is no cosine above 0 and up"),
        (["--by", "phash", "--threshold", 2.5], "threshold 2.5 is no whole number of bits from 0"),
        (["--by", "dhash", "--threshold", 17], "threshold 17 is no whole number of bits from 0"),
        (["--by", "url", "--threshold", 1], "by url compares for equality: leave out threshold"),
    ],
)
def test_a_threshold_out_of_range_is_refused(captionlake, tmp_path, arguments, message) -> None:
    outcome = dedup(captionlake, tmp_path, tmp_path / "any", *arguments)
    assert outcome.exit_code == 2
    assert message in outcome.error


def faulty_tables(spark, folder: Path) -> dict[str, Path]:
    unit = [1.0, 0.0]
    return {
        "repeated": write(spark, folder / "repeated", [("a", "x"), ("a", "y")],
                          "uid string, url string"),
        "urls": write(spark, folder / "urls", [("a", "x")], "uid string, url string"),
        "no_image": write(spark, folder / "no_image", [("a",)], "uid string"),
        "nan": embeddings(spark, folder / "nan", [unit, [float("nan"), 1.0]]),
        "models": embeddings(spark, folder / "models", [unit, unit], ["m", "n"]),
        "lengths": embeddings(spark, folder / "lengths", [unit, [1.0]]),
        "texts": write(spark, folder / "texts", [("a", "x")], "uid string, phash string"),
    }  # fmt: skip


@pytest.mark.slow
def test_faults_of_tables_are_one_line(captionlake, spark, tmp_path) -> None:
    tables = faulty_tables(spark, tmp_path)
    by_vector = ("--by", "embedding", "--threshold", 0.9)
    cases = [
        ("repeated", ("--by", "url"), "uid 'a' is there 2 times; expected one row a uid"),
        ("no_image", (), "has neither a column 'sha256' nor 'image': read-images makes"),
        ("no_image", ("--by", "phash"), "has neither a column 'phash' nor 'image'"),
        ("nan", by_vector, "the vector of 'u001' has length nan, expected 1"),
        ("models", by_vector, "holds vectors of several models"),
        ("lengths", by_vector, "holds vectors of several models"),
        ("texts", ("--by", "phash"), "column 'phash' is string, expected a hash as an integer"),
        ("urls", ("--by", "url", "--keep", "highest"), "has no column 'score'; give the table"),
    ]
    for name, arguments, message in cases:
        outcome = dedup(captionlake, tmp_path / "out", tables[name], *arguments)
        assert outcome.exit_code == 3, name
        assert message in outcome.error


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, 1])
def test_a_table_without_a_pair_is_no_fault(captionlake, spark, tmp_path, n: int) -> None:
    rows = [("a", 5, 1.0)][:n]
    table = write(spark, tmp_path / "table", rows, "uid string, phash bigint, score double")
    outcome = dedup(
        *(captionlake, tmp_path, table, "--by", "phash", "--keep", "highest"),
        *("--output", tmp_path / "out"),
    )
    assert outcome.summary["counts"] == {
        "rows_in": n, "kept": n, "duplicates": 0, "groups": 0, "not_compared": 0,
    }  # fmt: skip


def test_equal_rows_are_one_group(captionlake, spark, tmp_path) -> None:
    rows = [(f"u{k}", 7) for k in range(50)]
    table = write(spark, tmp_path / "table", rows, "uid string, phash bigint")
    dedup(captionlake, tmp_path, table, "--by", "phash")
    groups = groups_of(spark, tmp_path / "groups")
    assert {group for group, _, _ in groups.values()} == {"u0"}
    assert [uid for uid, (_, kept, _) in groups.items() if kept] == ["u0"]
