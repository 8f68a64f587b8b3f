"""match-and-balance gives what ingest, match and balance give one after the other."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.testing import assertDataFrameEqual

from spark_jobs.jobs.curate import JOB, Curate
from spark_jobs.running.launch import execute
from tests.delta_tables import read_delta
from tests.failing_writes import failing_writes

BANK = ["cat", "dog", "newt", "number 7", "emu"]


def read(spark: SparkSession, path: Path) -> DataFrame:
    return read_delta(spark, path)


def odd_captions(
    folder: Path, *, copies: bool = True, faults: bool = True, urls: bool = True
) -> Path:
    """2,000 captions in three files: some null, some no UTF-8, some uids twice."""
    folder.mkdir()
    texts = [f"a {'cat' if i % 5 else 'dog'} number {i % 150}".encode() for i in range(1_990)]
    captions: list[bytes | None] = [*texts, b"a newt", b"nothing", b"", *[b"a cat."] * 7]
    if faults:
        captions[10::400] = [b"\xff cat", None, b"\xed\xa0\x80", None, b"cat \xc3"]
    uids = [f"u{i % 1_900 if copies else i}" for i in range(2_000)]
    columns = {
        "uid": pa.array(uids),
        "caption": pa.array(captions, pa.binary()).view(pa.string()),
        "url": pa.array([f"http://x/{i}" if urls else None for i in range(2_000)], pa.string()),
        "extra": pa.array(range(2_000)),
    }
    table = pa.table(columns)
    for k in range(3):
        pq.write_table(table.take(pa.array(range(k, 2_000, 3))), folder / f"{k}.parquet")
    return folder


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(BANK))
    return path


def curate(source: Path, bank: Path, out: Path, *more: object) -> list[object]:
    return ["curate", source, "--bank", bank, "--output", out, "--no-report", *more]


@pytest.mark.parametrize(
    ("kinds", "settings"),
    [
        ({"copies": True, "faults": True}, ["--t", 30]),
        pytest.param({"copies": False, "faults": False}, ["--t", 30], marks=pytest.mark.slow),
        pytest.param(
            {"copies": False, "faults": True}, ["--tail-fraction", 0.3], marks=pytest.mark.slow
        ),
        pytest.param(
            {"copies": False, "faults": False, "urls": False}, ["--t", 9], marks=pytest.mark.slow
        ),
        pytest.param(
            {"copies": True, "faults": False},
            ["--target-rows", 80, "--dedup", "caption"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_tables_are_those_of_the_stored_steps(
    captionlake, spark: SparkSession, bank: Path, tmp_path: Path, kinds, settings
):
    source = odd_captions(tmp_path / "in", **kinds)
    stored = captionlake(*curate(source, bank, tmp_path / "stored", *settings))
    direct = captionlake(*curate(source, bank, tmp_path / "direct", "--no-intermediate", *settings))
    assert (stored.exit_code, direct.exit_code) == (0, 0), direct.stderr
    for table in ("balanced_captions", "entry_probabilities"):
        expected = read(spark, tmp_path / "stored" / table)
        assertDataFrameEqual(read(spark, tmp_path / "direct" / table), expected)
        assert expected.count()
    assert not (tmp_path / "direct/matches").exists()
    counts = direct.summary["counts"]["match-and-balance"]
    (matched,) = (n for n in stored.summary["counts"].values() if "matched" in n)
    balanced = stored.summary["counts"]["balance-captions"]
    assert counts["accepted"] == matched["kept"] == balanced["rows_in"]
    assert (counts["matched"], counts["matches"]) == (matched["matched"], matched["matches"])
    assert (counts["t"], counts["kept"]) == (balanced["t"], balanced["kept"])
    assert 0 < counts["kept"] < counts["accepted"]
    if kinds["faults"]:
        reasons = stored.summary["counts"]["ingest-captions"]
        assert reasons["invalid_utf8"] == counts["invalid_utf8"] == 3
        assert reasons["null_caption"] == counts["null_caption"] == 2
        left_out = [
            read(spark, tmp_path / out / "rejected").select("uid", "reason", "row", "raw")
            for out in ("stored", "direct")
        ]
        assertDataFrameEqual(*left_out)


@pytest.mark.slow
def test_a_second_run_writes_nothing_and_one_that_died_goes_on(
    captionlake, spark: SparkSession, bank: Path, tmp_path: Path
):
    source, out = odd_captions(tmp_path / "in"), tmp_path / "out"
    command = curate(source, bank, out, "--t", 30, "--no-intermediate")
    settings = Curate(
        input=str(source), bank=str(bank), output=str(out), t=30, intermediate=False, report=False
    )

    def fault(address: str) -> BaseException | None:
        return KeyboardInterrupt() if "probabilities" in address else None

    with failing_writes(fault), pytest.raises(KeyboardInterrupt):
        execute(JOB, settings, say=lambda line: None)
    n_rejected = read(spark, out / "rejected").count()
    first, second = captionlake(*command), captionlake(*command)
    assert (first.summary["status"], second.summary["status"]) == ("done", "up_to_date")
    assert second.summary["counts"] == first.summary["counts"]
    assert read(spark, out / "rejected").count() == n_rejected
    kept = read(spark, out / "balanced_captions")
    explained = captionlake("explain", "--uid", "u1", "--run", out)
    is_kept = "u1" in {row.uid for row in kept.collect()}
    assert f"{'in' if is_kept else 'not in'} {out}/balanced_captions" in explained.answer
    assert "match-and-balance stores no matches" in explained.answer
    assert kept.count() == first.summary["counts"]["match-and-balance"]["kept"]
    after = read(spark, out / "entry_probabilities")
    assert sum(row.kept_count for row in after.collect()) == sum(
        len(row.entry_ids) for row in kept.collect()
    )


@pytest.mark.slow
def test_the_report_tells_of_the_one_step(captionlake, bank: Path, tmp_path: Path):
    source = odd_captions(tmp_path / "in")
    command = ["curate", source, "--bank", bank, "--output", tmp_path / "out"]
    outcome = captionlake(*command, "--t", 30, "--no-intermediate")
    assert outcome.exit_code == 0, outcome.stderr
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    counts = outcome.summary["counts"]["match-and-balance"]
    for told in (counts["accepted"], counts["matched"], counts["kept"]):
        assert f"{told:,}" in page
    assert "duplicate uid" in page
    assert "Matches per caption" in page
    assert "keep_probability" not in page


def test_what_needs_stored_matches_says_so(captionlake, bank: Path, tmp_path: Path):
    source = odd_captions(tmp_path / "in")
    for setting, told in (("--decisions", "decisions"), ("--floor=2", "a floor")):
        command = curate(source, bank, tmp_path / "out", "--t", 3, "--no-intermediate", setting)
        outcome = captionlake(*command)
        assert outcome.exit_code == 2
        assert f"{told} needs the stored matches: leave intermediate on" in outcome.error
    direct = ["match-and-balance", source, "--bank", bank, "--output", tmp_path / "out", "--t", 3]
    outcome = captionlake(*direct, "--floor", 2)
    assert outcome.exit_code == 2
    assert "a floor needs stored matches" in outcome.error
    records = tmp_path / "records.parquet"
    pq.write_table(pa.table({"caption": ["a cat", "a dog"], "caption_id": [0, 1]}), records)
    outcome = captionlake("match-and-balance", records, *direct[2:])
    assert outcome.exit_code == 3
    assert "records of several captions are balanced as one" in outcome.error
    assert not (tmp_path / "out").exists()


def test_too_many_rejected_rows_stop_it_before_the_result(captionlake, bank: Path, tmp_path: Path):
    source = odd_captions(tmp_path / "in")
    outcome = captionlake(
        *("match-and-balance", source, "--bank", bank, "--t", 30, "--output", tmp_path / "out"),
        *("--max-rejected-fraction", 0.01),
    )
    assert outcome.exit_code == 4
    assert "104 of 2000 rows were rejected" in outcome.error
    assert not (tmp_path / "out").exists()
