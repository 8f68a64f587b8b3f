"""Sums over captions, their intervals, and CLIP scores."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.udfs.captioning.packing import texts_of
from udfs.captioning import set_sums
from udfs.captioning import statistics as st
from udfs.captioning.draw_bits import draw_bits, poisson_weights
from udfs.captioning.row_blobs import pack_rows
from udfs.captioning.scored_captions import SCORES, scored, summed
from udfs.captioning.set_sums import SetSums, measured, summed_by_set
from udfs.captioning.tokens import Tokeniser
from udfs.task_errors import TaskInputError

USED = st.columns_in_use(references=True, image_cosines=True, text_cosines=True)
SUMMED = pa.schema(
    [
        *(("set", pa.int32()), ("block", pa.int32()), ("sums", pa.binary())),
        *(("draw", pa.float64()), ("statistics", pa.binary())),
    ]
)
MEASURED = pa.schema(
    [
        *(("set", pa.int32()), ("measure", pa.string())),
        *((name, pa.float64()) for name in ("at", "value", "low", "high")),
        ("n", pa.int64()),
    ]
)


def captions_of(
    statistics: np.ndarray, sets: list[tuple[int, int]], draws: np.ndarray
) -> pa.RecordBatch:
    """Captions with their statistics, as `scored` gives them."""
    columns = {
        "source_set": pa.array([row[0] for row in sets], pa.int32()),
        "group_set": pa.array([row[1] for row in sets], pa.int32()),
        "draw": pa.array(draws),
        "statistics": st.as_blobs(statistics),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def measures_of(
    batches: list[pa.RecordBatch], n_replicates: int, n_summed: int = 100
) -> list[dict[str, Any]]:
    """The way of the job, with a task for each batch."""
    sum_rows = summed(USED, [], SUMMED, n_replicates=n_replicates, n_summed=n_summed)
    rows = pa.Table.from_batches([part for batch in batches for part in sum_rows([batch])])
    sums = [rows.filter(rows["sums"].is_valid()).select(["set", "block", "sums"])]
    apart = rows.filter(rows["statistics"].is_valid()).select(["set", "draw", "statistics"])
    parts = [*summed_by_set(n_replicates, len(USED))(apart.sort_by("set").to_batches())]
    sums += [pa.Table.from_batches(parts)] if parts else []
    by_set = pa.concat_tables(sums).sort_by([("set", "ascending"), ("block", "ascending")])
    measure = measured(USED, ["cosine_image_histogram"], 0.02, MEASURED)
    return [row for batch in measure(by_set.to_batches()) for row in batch.to_pylist()]


@pytest.mark.parametrize("n_replicates", [3, 70])
def test_sums_are_those_of_weighted_rows(n_replicates: int) -> None:
    generator = np.random.default_rng(0)
    statistics, draws = generator.random((50, st.WIDTH)), generator.random(50)
    sets = [np.zeros(50, np.int32), np.array([-1, 1] * 25, np.int32)]
    sums = SetSums(n_replicates, st.WIDTH)
    for rows in (slice(0, 20), slice(20, None)):
        sums.add([numbers[rows] for numbers in sets], draws[rows], statistics[rows])
    rows_of = [row for batch in sums.rows() for row in batch.to_pylist()]
    assert max(len(row["sums"]) for row in rows_of) <= 32 * st.WIDTH * 8  # however many replicates
    weights = np.column_stack([np.ones(50), poisson_weights(draw_bits(draws), n_replicates)])
    for number in (0, 1):
        is_in = (sets[0] == number) | (sets[1] == number)
        total = np.frombuffer(b"".join(row["sums"] for row in rows_of if row["set"] == number))
        expected = weights[is_in].T @ statistics[is_in]
        assert total.reshape(-1, st.WIDTH) == pytest.approx(expected)


def test_measures_do_not_depend_on_where_sets_are_summed() -> None:
    generator = np.random.default_rng(0)
    statistics = generator.integers(1, 9, (60, st.WIDTH)).astype(float)
    sets = [(k % 2, 2 + k % 5) for k in range(60)]
    captions = captions_of(statistics, sets, generator.random(60))
    halves = [captions.slice(0, 25), captions.slice(25)]
    expected = measures_of([captions], 40)
    assert {row["set"] for row in expected} == set(range(7))
    for n_summed in (100, 2, 0):  # all in tasks, groups after a shuffle, all after a shuffle
        found = measures_of(halves, 40, n_summed)
        for row, other in zip(found, expected, strict=True):
            assert row == pytest.approx(other)


def test_a_replicate_that_drew_no_caption_has_no_bleu() -> None:
    sums = np.zeros((4, st.WIDTH))
    sums[:, st.CAPTIONS] = 5
    drawn = [0, 1, 3]  # of one caption with references, which replicate 2 did not draw
    sums[drawn, st.REFERRED] = 1
    sums[drawn, st.REFERENCE_LENGTH] = 4
    sums[drawn, st.MATCHES] = sums[drawn, st.GUESSES] = [4, 3, 2, 1]
    [row] = [row for row in st.intervals(sums) if row.measure == "bleu_4"]
    assert row.low == pytest.approx(1.0)


def test_a_set_without_captions_has_no_measures() -> None:
    assert st.intervals(np.zeros((3, st.WIDTH))) == []


def test_histograms_count_captions_with_a_cosine_by_source() -> None:
    columns = captions_of(np.zeros((6, st.WIDTH)), [(0, 2)] * 4 + [(1, 2)] * 2, np.zeros(6))
    bins = pa.array([10, 10, None, -51, 50, 51], pa.int32())
    batch = pa.RecordBatch.from_arrays(
        [*columns.columns, bins], [*columns.schema.names, set_sums.IMAGE_BIN]
    )
    rows = [row for row in measures_of([batch], 0) if row["at"] is not None]
    assert [(row["set"], row["at"], row["value"]) for row in rows] == [
        (0, -1.0, 1.0),
        (0, 0.2, 2.0),
        (1, 1.0, 2.0),
    ]


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    """Of 200 samples of 300 captions, 95 % intervals of the mean length cover the true one."""
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        statistics = np.zeros((300, st.WIDTH))
        statistics[:, st.CAPTIONS] = 1
        statistics[:, st.WORDS] = generator.poisson(8, 300)
        rows = measures_of([captions_of(statistics, [(0, -1)] * 300, generator.random(300))], 200)
        row = next(row for row in rows if row["measure"] == "mean_words")
        covered += row["low"] <= 8 <= row["high"]
    assert 180 <= covered <= 198


def test_without_replicates_there_are_no_bounds() -> None:
    captions = captions_of(np.ones((2, st.WIDTH)), [(0, -1)] * 2, np.array([0.1, 0.9]))
    assert {row["low"] for row in measures_of([captions], 0)} == {None}


@pytest.mark.parametrize("cosine", [28.5, -1.2])
def test_a_score_that_is_no_cosine_ends_the_task(cosine: float) -> None:
    with pytest.raises(TaskInputError, match=f"the score {cosine:g} of a caption is no cosine"):
        list(score_texts(token_rows(["a cat"], image=[cosine])))
    [rows] = score_texts(token_rows(["a cat"], image=[1.004]))  # of few bits
    assert rows["cosine_image"].to_pylist() == [1.004]


def score_texts(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The scores of rows that stand in one blob."""
    blobs = pack_rows(rows, np.array([0, rows.num_rows]))
    return scored(0, rows.schema)([pa.RecordBatch.from_arrays([blobs], ["texts"])])


def token_rows(captions: list[str], **cosines: Any) -> pa.RecordBatch:
    """Rows of tokens of captions, with columns _image and _text."""
    names = ["uid", "is_reference", "chunk", "source_set", "group_set", "draw"]
    texts = texts_of(captions, [[]] * len(captions))
    tokens = Tokeniser("none").tokens(texts["caption"])
    blobs = [tokens.hashes[a:b].tobytes() for a, b in pairwise(tokens.offsets)]
    columns = {name: texts[name] for name in names}
    columns |= {"image": pa.array(range(len(captions))), "tokens": pa.array(blobs, pa.binary())}
    for name, values in cosines.items():
        columns[f"_{name}"] = pa.array(values, pa.float64(), from_pandas=True)
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def test_clip_scores_are_those_of_clipscore(cases: Path) -> None:
    folder = cases / "caption_metrics"
    expected = pq.read_table(folder / "expected_clipscore.parquet").to_pandas()
    batch = token_rows(
        ["a cat"] * len(expected),
        image=expected.cosine_float64,
        text=expected.text_text.astype(float),
    )
    [rows] = score_texts(batch)
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
