"""Embedding texts of which some are there very often."""

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.embedding.embed import embed, frequent_items, with_item_hash
from spark_jobs.embedding.model_settings import ModelSettings


def test_copies_of_a_frequent_text_stay_where_they_are_and_share_its_vector(
    spark: SparkSession, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spark_jobs.embedding.embed._FEWEST_COPIES", 30)
    rng = np.random.default_rng(0)
    texts = ["a hot one", None, *(f"photo {k}" for k in range(20))]
    share = [0.5, 0.2, *[0.3 / 20] * 20]
    captions = [texts[k] for k in rng.choice(22, 300, p=share)]
    rows = [(f"u{k}", caption) for k, caption in enumerate(captions)]
    table = spark.createDataFrame(rows, "uid string, caption string").repartition(4)
    hashed = with_item_hash(table, ["uid"], "caption")
    frequent = frequent_items(hashed, rows_per_task=100)
    expected = table.where("caption is null or caption = 'a hot one'")
    hashes = expected.select(F.xxhash64("caption")).distinct().collect()
    assert frequent == sorted(row[0] for row in hashes)
    spec = ModelSettings(model=f"open_clip:{tiny_clip}", batch_size=8).spec
    of_uid = []
    for some in (frequent, []):
        made = embed(hashed, spec, "text", weights="w", n_tasks=2, frequent=some)
        embedded = made.collect()
        assert len(embedded) == 300
        of_uid.append({row.uid: row for row in embedded})
        assert made.columns[:2] == ["uid", "item_hash"]
        assert len(of_uid[-1]) == 300
    spread, together = of_uid
    for uid, caption in rows:
        one, other = spread[uid], together[uid]
        assert (one.item_hash, one.model, one.fault) == (other.item_hash, other.model, other.fault)
        assert (one.embedding is None) == (caption is None) == (one.fault == "null")
        assert caption is None or np.allclose(one.embedding, other.embedding, atol=1e-6)
    hot = {tuple(spread[uid].embedding) for uid, caption in rows if caption == "a hot one"}
    assert len(hot) == 1
