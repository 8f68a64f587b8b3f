"""The recipe of DataComp's baselines on a small pool, filter by filter."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

WORDNET = Path("/usr/share/wordnet")
TEXTS = ["the dog ran home", "der dog", "the xyzzy of qwrty", "a a", "the dog of a \t", None]


@pytest.mark.slow
def test_each_filter_keeps_what_it_should(
    captionlake, spark: SparkSession, language_model: Path, tmp_path: Path
) -> None:
    if not (WORDNET / "noun.exc").is_file():
        pytest.skip(f"no WordNet in {WORDNET}")
    n = 60
    draws = np.random.default_rng(3)
    texts = [TEXTS[k % 5] for k in range(n)]
    sides = draws.choice([0, 150, 200, 700], (n, 2))
    l14, b32 = draws.permutation(n) / n, draws.permutation(n) / n
    vectors = draws.normal(size=(n, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    centroids, target = draws.normal(size=(8, 6)), draws.normal(size=(2, 6))
    uids = [f"{k * 2**60 + 7:032x}" for k in range(n)]
    metadata = tmp_path / "metadata"
    metadata.mkdir()
    table = {
        "uid": uids,
        "url": [f"http://{k}" for k in range(n)],
        "text": texts,
        "original_width": sides[:, 0],
        "original_height": sides[:, 1],
        "clip_l14_similarity_score": pa.array(l14, pa.float32()),
        "clip_b32_similarity_score": pa.array(b32, pa.float32()),
    }
    pq.write_table(pa.table(table), metadata / "0.parquet")
    np.savez(metadata / "0.npz", l14_img=vectors.astype(np.float16))
    for name, matrix in {"centroids": centroids, "target": target}.items():
        np.save(tmp_path / f"{name}.npy", matrix.astype(np.float32))
    settings = {
        **{"input": metadata, "lang_model": language_model, "output": tmp_path / "out"},
        **{"images": "true", "embeddings": metadata, "centroids": tmp_path / "centroids.npy"},
        **{"target": tmp_path / "target.npy", "wordnet": WORDNET},
    }
    changes = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    outcome = captionlake("run", "datacomp_baselines", *changes)
    assert outcome.exit_code == 0, outcome.stderr

    english = [text.split()[0] in ("the", "a") for text in texts]
    wanted = set((target @ centroids.T).argmax(axis=1).tolist())
    near = [int(c) in wanted for c in (vectors @ centroids.T).argmax(axis=1)]
    is_top = l14 >= np.sort(l14)[-int(n * 0.3) - 1]
    image_based = [
        english[k] and near[k] and len(texts[k].split()) > 1 and len(texts[k]) > 5 for k in range(n)
    ]
    expected = {
        "no_filter": [True] * n,
        "basic_filter": [
            english[k]
            and len(texts[k].split()) > 2
            and min(sides[k]) >= 200
            and max(sides[k]) / min(sides[k]) <= 3
            for k in range(n)
        ],
        "clip_score": is_top,
        "laion2b": [english[k] and b32[k] >= 0.28 for k in range(n)],
        "text_based": [english[k] and "dog" in texts[k] for k in range(n)],
        "image_based": image_based,
        "image_based_intersect_clip_score": np.array(image_based) & is_top,
    }
    for name, is_kept in expected.items():
        halves = np.load(tmp_path / "out" / f"{name}.npy", allow_pickle=False)
        found = [f"{high:016x}{low:016x}" for high, low in halves.tolist()]
        assert found == sorted(uid for uid, one in zip(uids, is_kept, strict=True) if one), name
        assert len(found) > 0
