"""Scored pairs and measures of vectors, against SimCSE's published evaluation and scipy."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.stats

from udfs.sts.evaluation import (
    ALIGNMENT,
    ALL,
    AVERAGE,
    MEAN,
    PEARSON,
    SPEARMAN,
    UNIFORMITY,
    WEIGHTED_MEAN,
    average_of_tasks,
    evaluate,
)
from udfs.sts.measures import alignment, average_ranks, spearman, uniformity
from udfs.sts.pair_files import (
    SICK,
    STS_BENCHMARK,
    PairFileError,
    PairSet,
    read_pairs,
    read_senteval,
)


def reader(folder: Path) -> Callable[[str], str | None]:
    def read_text(name: str) -> str | None:
        file = folder / "downstream" / name
        return file.read_bytes().decode() if file.is_file() else None

    return read_text


@pytest.fixture(scope="module")
def case(cases: Path) -> Path:
    return cases / "simcse_eval"


@pytest.fixture(scope="module")
def vectors(case: Path) -> dict[str, list[float]]:
    rows = pq.read_table(case / "input_embeddings.parquet").to_pylist()
    return {row["sentence"]: row["embedding"] for row in rows}


def test_values_are_those_of_simcse(case: Path, vectors: dict[str, list[float]]) -> None:
    sets = list(read_senteval(reader(case / "input_SentEval")))
    values = {
        (v.task, v.set, v.measure): v.value
        for v in evaluate(sets, lambda s: np.array([vectors[x] for x in s], np.float32))
    }
    expected = json.loads((case / "expected.json").read_text())
    n_compared = 0
    for task in expected["table"]["tasks"]:
        for name, results in expected[task].items():
            for measure in (SPEARMAN, PEARSON):
                if name != ALL:
                    assert values[task, name, measure] == pytest.approx(results[measure], abs=2e-6)
                    n_compared += 1
                    continue
                for kind in (ALL, MEAN, WEIGHTED_MEAN):
                    ours = values[task, kind, measure]
                    assert ours == pytest.approx(results[measure][kind], abs=2e-6)
                    n_compared += 1
    assert n_compared == 2 * 30 + 2 * 3 * 7
    assert 100 * values[AVERAGE, ALL, SPEARMAN] == pytest.approx(
        float(expected["table"]["avg"]), abs=0.006
    )
    dev = expected["alignment_uniformity"]
    assert values[STS_BENCHMARK, "dev", ALIGNMENT] == pytest.approx(dev["alignment"], abs=1e-7)
    assert values[STS_BENCHMARK, "dev", UNIFORMITY] == pytest.approx(dev["uniformity"], abs=1e-7)


def test_unit_vectors_give_the_same_ranks(case: Path, vectors: dict[str, list[float]]) -> None:
    """Encoders give unit vectors in float32, whose cosines differ in their last digits."""
    sets = list(read_senteval(reader(case / "input_SentEval")))

    def unit(sentences: list[str]) -> np.ndarray:
        rows = np.array([vectors[s] for s in sentences], np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.where(lengths > 0, rows / np.where(lengths == 0, 1, lengths), 0)

    expected = json.loads((case / "expected.json").read_text())
    for value in evaluate(sets, unit):
        if value.measure == SPEARMAN and value.set == ALL and value.task in expected:
            theirs = expected[value.task]["all"]["spearman"]["all"]
            assert value.value == pytest.approx(theirs, abs=1e-9)


def test_pairs_are_read_as_senteval_reads_them(case: Path) -> None:
    rows = pq.read_table(case / "expected_pairs.parquet").to_pylist()
    theirs = {
        (r["task"], r["set"], " ".join(r["a"].split()), " ".join(r["b"].split()), r["gold"])
        for r in rows
        if r["gold"] is not None
    }
    ours = {
        (part.task, part.name, a, b, score)
        for part in read_senteval(reader(case / "input_SentEval"))
        for score, a, b in zip(part.scores, part.firsts, part.seconds, strict=True)
    }
    assert ours == theirs


def test_odd_files_stop_or_count_as_they_do_there(case: Path) -> None:
    for odd in json.loads((case / "expected_odd_files.json").read_text()):
        files = {
            "STS/STS12-en-test/STS.input.MSRpar.txt": odd["input"],
            "STS/STS12-en-test/STS.gs.MSRpar.txt": odd["gold"],
        }
        if "error" in odd:
            with pytest.raises(PairFileError, match=r"^STS/STS12-en-test/STS\.input\.MSRpar\.txt"):
                list(read_senteval(files.get))
            continue
        [part] = read_senteval(files.get)
        assert len(part.scores) == odd["n"], odd["what"]


def test_equal_scores_have_no_correlation() -> None:
    part = PairSet("x", "pairs", (1, 1, 1), ("a", "b", "c"), ("d", "e", "f"))
    values = evaluate([part], lambda s: np.eye(len(s), 8, dtype=np.float32))
    assert [v.value for v in values if v.measure == SPEARMAN] == [None]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1\ta\n2\tb\n", "line 1 has 2 columns"),
        ("x\ta\tb\n", "line 1 has the score 'x'"),
        ("nan\ta\tb\n", "line 1 has the score 'nan'"),
        ("1\ta\tb\n", "1 scored pairs"),
        ("", "0 scored pairs"),
    ],
)
def test_a_file_of_pairs_with_a_fault_is_named(text: str, fault: str) -> None:
    with pytest.raises(PairFileError, match=fault):
        read_pairs(text, "mine.tsv")


def test_a_file_of_pairs_is_read_by_lines() -> None:
    part = read_pairs("0\t a  b\tc\r\n\n5\td\te\tignored\n", "mine.tsv")
    assert part == PairSet("mine.tsv", "pairs", (0.0, 5.0), ("a b", "d"), ("c", "e"))


def test_ranks_and_correlations_are_scipys() -> None:
    draws = np.random.default_rng(0)
    for n in (2, 3, 10, 200):
        for high in (2, 5, 1000):
            x, y = draws.integers(0, high, n), draws.integers(0, high, n)
            assert average_ranks(x).tolist() == scipy.stats.rankdata(x).tolist()
            if len(set(x)) > 1 and len(set(y)) > 1:
                assert spearman(x, y) == pytest.approx(scipy.stats.spearmanr(x, y)[0], abs=1e-12)


def test_uniformity_is_the_plain_mean_over_pairs() -> None:
    draws = np.random.default_rng(1)
    rows = draws.normal(size=(1500, 3))  # more than a block
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    kernels = [np.exp(-2 * np.square(unit[i] - unit[i + 1 :]).sum(axis=1)) for i in range(1499)]
    assert uniformity(rows) == pytest.approx(np.log(np.concatenate(kernels).mean()), abs=1e-9)
    assert alignment(rows[:5], rows[5:10]) == pytest.approx(
        np.square(unit[:5] - unit[5:10]).sum(axis=1).mean()
    )


def test_a_missing_task_counts_nothing() -> None:
    assert average_of_tasks({STS_BENCHMARK: 0.7, SICK: 0.7}) == pytest.approx(1.4 / 7)
