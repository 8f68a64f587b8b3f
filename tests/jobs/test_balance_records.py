"""Records of one to five texts: every number that balancing tells is one of rows of the output."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from spark_jobs.balancing.choose_t import (
    ChosenT,
    choose_t,
    entry_thresholds,
    largest_t,
    target_lines,
)
from spark_jobs.balancing.counted_entries import CountedEntries
from spark_jobs.balancing.keep import BALANCING, matches_by_uid, with_caption_rows
from spark_jobs.balancing.t_settings import ThresholdSettings
from spark_jobs.core.draws import Draw
from tests.delta_tables import read_delta

RECORDS, ENTRIES = 3_000, 60
Rows = list[tuple[str, int, str, list[int]]]  # uid, caption_id, caption, entry_ids


@pytest.fixture(scope="module")
def texts() -> Rows:
    """Zipf-distributed entries, none to three a text, one to five texts a record."""
    draws = np.random.default_rng(7)
    share = 1 / np.arange(1, ENTRIES + 1)
    rows: Rows = []
    for record in range(RECORDS):
        for number in range(draws.integers(1, 6)):
            ids = draws.choice(ENTRIES, draws.integers(0, 4), replace=False, p=share / share.sum())
            rows.append((f"r{record}", number, "x" * (record % 50), sorted(map(int, ids))))
    return rows


@pytest.fixture(scope="module")
def tables(spark: SparkSession, texts: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`both`: captions and matches in one; `matches` lacks a row for texts without an entry."""
    folder = tmp_path_factory.mktemp("records")
    columns = "uid string, caption_id int, caption string, entry_ids array<int>"
    both = spark.createDataFrame(texts, columns)
    both.write.format("delta").save(str(folder / "both"))
    both.drop("entry_ids").write.format("delta").save(str(folder / "captions"))
    matched = both.where("size(entry_ids) > 0").drop("caption")
    matched.write.format("delta").save(str(folder / "matches"))
    entries = spark.createDataFrame(
        [(k, f"e{k}", "en" if k % 2 else "de", n) for k, n in enumerate(entry_counts(texts))],
        "entry_id int, entry string, lang string, entry_count long",
    )
    entries.write.format("delta").save(str(folder / "entry_counts"))
    return folder


def entry_counts(texts: Rows) -> list[int]:
    counts = Counter(i for *_, ids in texts for i in ids)
    return [counts[k] for k in range(ENTRIES)]


def law(texts: Rows, t_of: np.ndarray) -> tuple[pd.Series, pd.Series]:
    """Rows and keep probability of each record, by the law: one draw for each match of any text."""
    p = t_of / np.maximum(entry_counts(texts), t_of)
    missed: dict[str, float] = {}
    for uid, _, _, ids in texts:
        missed[uid] = missed.get(uid, 1.0) * float(np.prod(1 - p[ids]))
    rows = pd.Series([uid for uid, *_ in texts]).value_counts()
    return rows, 1 - pd.Series(missed).reindex(rows.index)


def expected(texts: Rows, t: int) -> tuple[float, float]:
    """Rows of the output, and their standard deviation."""
    rows, kept = law(texts, np.full(ENTRIES, t))
    return float((rows * kept).sum()), float(np.sqrt((rows**2 * kept * (1 - kept)).sum()))


def read(spark: SparkSession, address: Path) -> pd.DataFrame:
    return read_delta(spark, address).toPandas()


def recounted(texts: Rows, output: pd.DataFrame) -> list[int]:
    there = set(zip(output.uid, output.caption_id, strict=True))
    return entry_counts([row for row in texts if (row[0], row[1]) in there])


def balance(tables: Path, out: Path, separate: bool, *more: object) -> list[object]:
    names = ("captions", "matches") if separate else ("both", "both")
    return [
        *("balance-captions", "--captions", tables / names[0], "--matches", tables / names[1]),
        *("--entry-counts", tables / "entry_counts", "--output", out / "balanced"),
        *("--probabilities", out / "probabilities", "--decisions", *more),
    ]


_SEPARATE = pytest.mark.parametrize("separate", [pytest.param(False, marks=pytest.mark.slow), True])


@pytest.mark.slow
@_SEPARATE
def test_target_rows_are_rows_of_the_output(captionlake, spark, texts, tables, tmp_path, separate):
    outcome = captionlake(*balance(tables, tmp_path, separate, "--target-rows", 2_500))
    counts = outcome.summary["counts"]
    at, deviation = expected(texts, counts["t"])
    beside = min(abs(expected(texts, counts["t"] + step)[0] - 2_500) for step in (-1, 0, 1))
    assert counts["expected_rows"] == round(at)
    assert abs(at - 2_500) <= max(2.5, beside)
    assert counts["kept"] == pytest.approx(at, abs=5 * deviation)
    matched = {uid for uid, *_, ids in texts if ids}
    assert len(texts) == counts["rows_in"]
    assert len(texts) == counts["kept"] + counts["unmatched"] + counts["thinned"]
    assert counts["unmatched"] == sum(uid not in matched for uid, *_ in texts) > 0
    balanced = read(spark, tmp_path / "balanced")
    assert len(balanced) == counts["kept"]
    sizes = Counter(uid for uid, *_ in texts)
    assert dict(balanced.uid.value_counts()) == {u: sizes[u] for u in set(balanced.uid)}

    probabilities = read(spark, tmp_path / "probabilities").sort_values("entry_id")
    assert probabilities.entry_count.tolist() == entry_counts(texts)
    assert probabilities.kept_count.tolist() == recounted(texts, balanced)

    decisions = read(spark, tmp_path / "decisions")
    keys = list(zip(decisions.uid, decisions.caption_id, strict=True))
    assert sorted(keys) == sorted((uid, number) for uid, number, *_ in texts)
    kept = {key for key, is_kept in zip(keys, decisions.kept, strict=True) if is_kept}
    assert kept == set(zip(balanced.uid, balanced.caption_id, strict=True))
    assert not decisions.drop(columns="caption_id").isna().any().any()
    _, probability = law(texts, np.full(ENTRIES, counts["t"]))
    assert decisions.threshold.to_numpy() == pytest.approx(
        probability.reindex(decisions.uid).to_numpy(), abs=1e-9
    )
    is_matched = decisions.uid.map(probability) > 0
    without = "without_matches" if separate else "no_entry"
    assert set(decisions.rule[is_matched]) == {"balance"}
    assert set(decisions.rule[~is_matched]) == {without}


@pytest.mark.slow
@pytest.mark.parametrize("separate", [False, True])
def test_a_floor_counts_texts(captionlake, spark, texts, tables, tmp_path, separate):
    """Of each entry that is short, records by ascending draw until it has enough texts."""
    floor, t = 40, 15
    more = ("--t", t, "--floor", floor)
    outcome = captionlake(*balance(tables, tmp_path, separate, *more))
    rows, probability = law(texts, np.full(ENTRIES, t))
    uids = spark.createDataFrame([(uid,) for uid in rows.index], "uid string")
    drawn = uids.select("uid", Draw(BALANCING, 0).of("uid").alias("draw")).toPandas()
    draw = drawn.set_index("uid")["draw"].reindex(rows.index)
    won = set(rows.index[draw < probability])
    counts = np.array(entry_counts(texts))
    kept = np.array(entry_counts([row for row in texts if row[0] in won]))
    lifted: set[str] = set()
    for entry in np.flatnonzero(kept < np.minimum(floor, counts)):
        holding = [(draw[uid], uid) for uid, _, _, ids in texts if entry in ids and uid not in won]
        lifted |= {uid for _, uid in sorted(holding)[: min(floor, counts[entry]) - kept[entry]]}
    assert lifted
    balanced = read(spark, tmp_path / "balanced")
    assert set(balanced.uid) == won | lifted
    summary = outcome.summary["counts"]
    assert summary["kept_for_floor"] == rows[list(lifted)].sum()
    assert summary["kept"] == rows[list(won | lifted)].sum() == len(balanced)
    probabilities = read(spark, tmp_path / "probabilities").sort_values("entry_id")
    assert probabilities.kept_count.tolist() == recounted(texts, balanced)
    assert (probabilities.kept_count >= np.minimum(floor, counts)).all()
    decisions = read(spark, tmp_path / "decisions")
    assert (decisions.rule == "floor").sum() == summary["kept_for_floor"]
    assert decisions.kept.sum() == len(balanced)


@pytest.mark.slow
def test_plan_tells_the_rows_that_balancing_keeps(captionlake, spark, texts, tables, tmp_path):
    arguments = ["plan-balance", "--output", tmp_path / "plan", "--target-rows", 2_500]
    arguments += ["--entry-counts", tables / "entry_counts", "--matches"]
    outcome = captionlake(*arguments, tables / "matches", "--captions", tables / "captions")
    counts = outcome.summary["counts"]
    at, _ = expected(texts, counts["t"])
    beside = min(abs(expected(texts, counts["t"] + step)[0] - 2_500) for step in (-1, 0, 1))
    assert counts["expected_rows"] == round(at)
    assert abs(at - 2_500) <= max(2.5, beside)
    matched = [row for row in texts if row[3]]
    assert counts["rows_in"] == counts["sample_rows"] == len(matched)
    plan = read(spark, tmp_path / "plan").set_index("t")
    sizes = pd.Series([len(c) for _, _, c, _ in texts]).groupby([r[0] for r in texts]).sum()
    for t in plan.index:
        rows, probability = law(texts, np.full(ENTRIES, t))
        assert plan.expected_rows[t] == pytest.approx((rows * probability).sum(), abs=0.51)
        bytes_kept = (sizes.reindex(rows.index) * probability).sum()
        assert plan.expected_bytes[t] == pytest.approx(bytes_kept, abs=0.51)


@pytest.mark.slow
def test_plan_without_captions_counts_rows_of_the_matches(captionlake, texts, tables, tmp_path):
    outcome = captionlake(
        *("plan-balance", "--output", tmp_path / "plan", "--target-rows", 2_500),
        *("--matches", tables / "matches"),
    )
    t = outcome.summary["counts"]["t"]
    matched = [row for row in texts if row[3]]
    n_matched = pd.Series([uid for uid, *_ in matched]).value_counts()
    _, probability = law(texts, np.full(ENTRIES, t))
    told = outcome.summary["counts"]["expected_rows"]
    assert told == round(float((n_matched * probability.reindex(n_matched.index)).sum()))


@pytest.mark.slow
def test_records_meet_the_target_with_any_seed(spark: SparkSession, texts: Rows, tables: Path):
    matches = matches_by_uid(read_delta(spark, tables / "matches"))
    captions = read_delta(spark, tables / "captions")
    counted = CountedEntries(np.array(entry_counts(texts)), np.array([None] * ENTRIES, object))
    rows = with_caption_rows(matches, captions)
    uids = captions.select("uid").distinct()
    draws = uids.select("uid", *(Draw(BALANCING, s).of("uid").alias(f"s{s}") for s in range(20)))
    of_seed = draws.toPandas().set_index("uid")
    for target in (1_200, 2_500, 6_000):
        chosen = choose_t(ThresholdSettings(target_rows=target), rows, counted)
        sizes, probability = law(texts, np.full(ENTRIES, chosen.t))
        deviation = np.sqrt((sizes**2 * probability * (1 - probability)).sum())
        step = abs(expected(texts, chosen.t + 1)[0] - expected(texts, chosen.t)[0])
        for seed in of_seed.columns:
            kept = sizes[of_seed[seed].reindex(sizes.index) < probability].sum()
            assert kept == pytest.approx(target, abs=0.001 * target + step + 5 * deviation)
        mean = np.mean(
            [sizes[of_seed[s].reindex(sizes.index) < probability].sum() for s in of_seed]
        )
        assert mean == pytest.approx(target, abs=0.001 * target + step + 5 * deviation / 20**0.5)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (20_000, "target_rows = 20000: only {available} rows match an entry"),
        pytest.param(
            *(1, "t = 1 already keeps about {least:,} rows, more than target_rows = 1"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_no_t_gives_is_said_in_rows(captionlake, texts, tables, tmp_path, target, message):
    rows, probability = law(texts, np.full(ENTRIES, 10**6))
    values = {"available": rows[probability > 0].sum(), "least": round(expected(texts, 1)[0])}
    for arguments in (
        balance(tables, tmp_path, True, "--target-rows", target),
        [
            *("plan-balance", "--matches", tables / "matches", "--captions", tables / "captions"),
            *("--output", tmp_path / "plan", "--target-rows", target),
        ],
    ):
        outcome = captionlake(*arguments)
        assert outcome.exit_code == (3 if target > len(texts) else 0), outcome.stderr
        assert message.format(**values) in outcome.stderr


@pytest.mark.slow
def test_target_rows_by_language(spark: SparkSession, texts: Rows, tables: Path):
    """The t of the reference language whose tail share gives the rows; all rows are in reach."""
    matches = matches_by_uid(read_delta(spark, tables / "both"))
    langs = np.array(["en" if k % 2 else "de" for k in range(ENTRIES)], object)
    counts = np.array(entry_counts(texts))
    counted = CountedEntries(counts, langs)
    assert counts[langs == "de"].max() > counts[langs == "en"].max()
    n_matched = sum(1 for uid, *_ in texts if law_of_all(texts)[uid])
    settings = ThresholdSettings(target_rows=n_matched, by_language=True)
    every = choose_t(settings, matches, counted)
    assert every.expected_rows == n_matched
    assert largest_t(settings, counted) == counts[langs == "en"].max() + 1
    settings = ThresholdSettings(target_rows=3_000, by_language=True)
    chosen = choose_t(settings, matches, counted)
    of_t = entry_thresholds(settings, counted)

    def rows_at(t: int) -> float:
        rows, probability = law(texts, np.asarray(of_t(t)))
        return float((rows * probability).sum())

    assert chosen.expected_rows == round(rows_at(chosen.t))
    beside = [rows_at(t) for t in (chosen.t - 1, chosen.t + 1) if t > 0]
    assert abs(rows_at(chosen.t) - 3_000) <= min(abs(rows - 3_000) for rows in beside)
    assert set(np.asarray(chosen.thresholds)[langs == "en"]) == {chosen.t}


def law_of_all(texts: Rows) -> dict[str, bool]:
    """Whether a record matches anything."""
    matched: dict[str, bool] = {}
    for uid, _, _, ids in texts:
        matched[uid] = matched.get(uid, False) or bool(ids)
    return matched


@pytest.mark.slow
def test_entry_counts_of_more_captions(captionlake, spark, texts, tables, tmp_path):
    """A tenth of the captions with the counts of all: what is kept is a part of that tenth."""
    tenth = [row for row in texts if int(row[0][1:]) % 10 == 0]
    columns = "uid string, caption_id int, caption string, entry_ids array<int>"
    spark.createDataFrame(tenth, columns).write.format("delta").save(str(tmp_path / "tenth"))
    arguments = ["--matches", tmp_path / "tenth", "--entry-counts", tables / "entry_counts"]
    plan = captionlake("plan-balance", *arguments, "--output", tmp_path / "plan", "--ts", [1, 30])
    assert plan.exit_code == 0, plan.stderr
    p = 30 / np.maximum(entry_counts(texts), 30)
    missed: dict[str, float] = {}
    for uid, _, _, ids in tenth:
        missed[uid] = missed.get(uid, 1.0) * float(np.prod(1 - p[ids]))
    sizes = Counter(uid for uid, *_ in tenth)
    wanted = sum(sizes[uid] * (1 - left) for uid, left in missed.items())
    at_30 = read(spark, tmp_path / "plan").set_index("t").loc[30]
    assert at_30.expected_rows == round(wanted)
    counts, own = np.array(entry_counts(texts)), np.array(entry_counts(tenth))
    assert at_30.tail_fraction == pytest.approx(own[counts < 30].sum() / own.sum())
    balanced = captionlake(
        *("balance-captions", "--captions", tmp_path / "tenth", *arguments, "--target-rows", 300),
        *("--output", tmp_path / "balanced", "--probabilities", tmp_path / "probabilities"),
    )
    assert balanced.exit_code == 0, balanced.stderr
    assert balanced.summary["counts"]["kept"] == pytest.approx(300, abs=5 * 300**0.5 * 2)
    probabilities = read(spark, tmp_path / "probabilities").sort_values("entry_id")
    assert probabilities.entry_count.tolist() == entry_counts(texts)
    assert probabilities.kept_count.tolist() == recounted(tenth, read(spark, tmp_path / "balanced"))


@pytest.mark.slow
def test_captions_without_records_and_kept_count_with_captions_that_are_gone(
    captionlake, spark, tables, tmp_path
):
    """A third of the captions was filtered out after matching: the output is what is counted."""
    rows = [(f"u{k}", f"text {k}", [0] if k % 2 else [0, 1 + k % 5]) for k in range(1_200)]
    every = spark.createDataFrame(rows, "uid string, caption string, entry_ids array<int>")
    every.drop("caption").write.format("delta").save(str(tmp_path / "matches"))
    left = every.where("substring(uid, 2) % 3 > 0").drop("entry_ids")
    left.write.format("delta").save(str(tmp_path / "captions"))
    outcome = captionlake(
        *("balance-captions", "--captions", tmp_path / "captions", "--target-rows", 200),
        *("--matches", tmp_path / "matches", "--output", tmp_path / "balanced"),
        *("--probabilities", tmp_path / "probabilities", "--decisions"),
    )
    if outcome.exit_code == 0:  # or the job says that they do not belong together
        kept = outcome.summary["counts"]["kept"]
        assert kept == pytest.approx(200, abs=5 * 200**0.5)
        balanced = read(spark, tmp_path / "balanced")
        ids = Counter(i for uid, _, of in rows if uid in set(balanced.uid) for i in of)
        probabilities = read(spark, tmp_path / "probabilities").sort_values("entry_id")
        assert probabilities.kept_count.tolist() == [ids[k] for k in range(6)]
        assert len(read(spark, tmp_path / "decisions")) == 800


def test_lines_tell_where_a_wish_is_not_met() -> None:
    assert target_lines(None, {"t": 1}) == []
    assert target_lines(100, ChosenT(7, 7, 100).counts()) == []
    assert target_lines(1_000, ChosenT(7, 7, 1_009).counts()) == []
    assert target_lines(1_000, ChosenT(7, 7, 1_200).counts()) == [
        "  no t keeps target_rows = 1,000: the nearest, 7, keeps about 1,200"
    ]
    assert (
        "t = 1 already keeps about 1,200 rows"
        in target_lines(1_000, {"t": 1, "expected_rows": 1_200})[0]
    )
