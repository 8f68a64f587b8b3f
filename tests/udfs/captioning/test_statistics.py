"""Sums over captions, their intervals, and CLIP scores."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from udfs.captioning import statistics as st
from udfs.captioning.draw_bits import draw_bits, poisson_weights
from udfs.captioning.scored_captions import SCORES, scored


def batch_of(statistics: np.ndarray, sets: list[list[int]], draws: np.ndarray) -> pa.RecordBatch:
    columns = [
        pa.array(sets, pa.list_(pa.int32())),
        pa.array(draws),
        pa.array([row.tobytes() for row in statistics], pa.binary()),
    ]
    return pa.RecordBatch.from_arrays(columns, ["sets", "draw", "statistics"])


def test_sums_are_those_of_weighted_rows() -> None:
    generator = np.random.default_rng(0)
    statistics, draws = generator.random((50, st.WIDTH)), generator.random(50)
    sets = [[0], [0, 1]] * 25
    batch = batch_of(statistics, sets, draws)
    parts = [
        part for half in (batch.slice(0, 20), batch.slice(20)) for part in st.summed(3)([half])
    ]
    weights = np.column_stack([np.ones(50), poisson_weights(draw_bits(draws), 3)])
    for number in (0, 1):
        is_in = np.array([number in row for row in sets])
        total = sum(
            np.frombuffer(row["sums"]).reshape(-1, st.WIDTH)
            for part in parts for row in part.to_pylist() if row["set"] == number
        )  # fmt: skip
        assert total == pytest.approx(weights[is_in].T @ statistics[is_in])


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    """Of 200 samples of 300 captions, 95 % intervals of the mean length cover the true one."""
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        statistics = np.zeros((300, st.WIDTH))
        statistics[:, st.CAPTIONS] = 1
        statistics[:, st.WORDS] = generator.poisson(8, 300)
        [part] = st.summed(200)([batch_of(statistics, [[0]] * 300, generator.random(300))])
        [rows] = st.measured([part])
        row = next(row for row in rows.to_pylist() if row["measure"] == "mean_words")
        covered += row["low"] <= 8 <= row["high"]
    assert 180 <= covered <= 198


def test_without_replicates_there_are_no_bounds() -> None:
    statistics = np.ones((2, st.WIDTH))
    [part] = st.summed(0)([batch_of(statistics, [[0], [0]], np.array([0.1, 0.9]))])
    [rows] = st.measured([part])
    assert {row["low"] for row in rows.to_pylist()} == {None}


def test_clip_scores_are_those_of_clipscore(cases: Path) -> None:
    folder = cases / "caption_metrics"
    expected = pq.read_table(folder / "expected_clipscore.parquet").to_pandas()
    n = len(expected)
    columns = {
        "chunk": pa.array([0] * n, pa.int32()),
        "ids": pa.nulls(n, pa.binary()),
        "counts": pa.nulls(n, pa.binary()),
        "caption": pa.array(["a cat"] * n),
        "_image": pa.array(expected.cosine_float64, pa.float64(), from_pandas=True),
        "_text": pa.array(expected.text_text.astype(float), pa.float64(), from_pandas=True),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    [rows] = scored("none", [], n_images=0)([batch])
    scores = rows.to_pandas()[list(SCORES)]
    known = expected.cosine_float64.notna()
    assert scores.clip_s[known].to_numpy() == pytest.approx(
        expected.clip_s[known].to_numpy(float), abs=1e-5
    )
    both = expected.well_conditioned & scores.ref_clip_s.notna()
    assert both.sum() > 20
    assert scores.ref_clip_s[both].to_numpy() == pytest.approx(
        expected.ref_clip_s_as_in_paper[both].to_numpy(float), abs=1e-5
    )
