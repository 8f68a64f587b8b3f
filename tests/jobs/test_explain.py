"""explain: each way in which a uid can end."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta


@pytest.fixture(scope="module")
def curated(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 cats, 3 newts, one caption without entries, one copy, one row without a caption."""
    from spark_jobs.jobs import curate
    from spark_jobs.running.launch import execute

    folder = tmp_path_factory.mktemp("curated")
    captions = [f"a cat {i}" for i in range(300)] + [f"a newt and a cat {i}" for i in range(3)]
    captions += ["nothing", "a cat 7", None]
    uids = [f"u{i:03}" for i in range(len(captions))]
    pq.write_table(pa.table({"uid": uids, "caption": captions}), folder / "in.parquet")
    (folder / "bank.txt").write_text("cat\nnewt\n")
    settings = curate.Curate(
        input=str(folder / "in.parquet"),
        bank=str(folder / "bank.txt"),
        t=30,
        decisions=True,
        report=False,
        output=str(folder / "out"),
    )
    execute(curate.JOB, settings, say=lambda line: None)
    return folder / "out"


def explained(captionlake, curated: Path, uid: str) -> str:
    outcome = captionlake("explain", "--uid", uid, "--run", curated)
    assert outcome.exit_code == 0, outcome.stderr
    return outcome.answer


def test_the_decision_told_is_the_one_that_was_taken(captionlake, spark, curated: Path):
    balanced = read_delta(spark, curated / "balanced_captions")
    kept = {row.uid for row in balanced.collect()}
    for uid in ("u000", "u001", "u002", "u003", next(u for u in sorted(kept) if u < "u300")):
        told = explained(captionlake, curated, uid)
        assert ("kept, since" in told) == (uid in kept)
        assert ("dropped, since" in told) == (uid not in kept)
        assert "0.099010" in told  # 30 of 303 cats


def test_an_entry_below_t_keeps_its_captions(captionlake, curated: Path):
    told = explained(captionlake, curated, "u301")
    assert "newt" in told
    assert "keep probability: 1 - (1 - 0.099010) x (1 - 1.000000) = 1.000000" in told


def test_a_caption_without_entries_is_told(captionlake, curated: Path):
    assert "dropped: it matches no entry" in explained(captionlake, curated, "u303")


def test_a_copy_names_the_row_that_stayed(captionlake, curated: Path):
    told = explained(captionlake, curated, "u304")
    assert "dropped: a copy by caption; uid u007 stayed" in told


def test_a_rejected_row_has_its_reason(captionlake, curated: Path):
    assert "rejected: null_caption" in explained(captionlake, curated, "u305")


def test_a_caption_is_explained_by_its_text(captionlake, curated: Path):
    of_uid = explained(captionlake, curated, "u001")
    outcome = captionlake("explain", "--caption", "a cat 1", "--run", curated)
    assert outcome.answer == of_uid
    assert "caption 'a cat 1'" in of_uid


def test_all_uids_with_a_caption_are_explained(captionlake, curated: Path):
    answer = captionlake("explain", "--caption", "a cat 7", "--run", curated).answer
    assert answer.startswith("2 uids have this caption:\nuid u007\n")
    assert answer.endswith("\n\nuid u304\ndropped: a copy by caption; uid u007 stayed")


def test_a_caption_that_is_not_there_names_one_that_holds_it(captionlake, curated: Path):
    outcome = captionlake("explain", "--caption", "NOTHIN", "--run", curated)
    assert outcome.exit_code == 3
    assert "has no caption 'NOTHIN'; did you mean 'nothing'?" in outcome.error
    outcome = captionlake("explain", "--run", curated)
    assert (outcome.exit_code, "exactly one of uid and caption" in outcome.error) == (2, True)


def test_an_unknown_uid_and_a_folder_without_runs_are_errors(captionlake, curated, tmp_path):
    outcome = captionlake("explain", "--uid", "x", "--run", curated)
    assert (outcome.exit_code, "uid 'x' is in no table" in outcome.error) == (3, True)
    outcome = captionlake("explain", "--uid", "x", "--run", tmp_path)
    assert (outcome.exit_code, "there is no table of runs" in outcome.error) == (3, True)


def test_each_step_leaves_a_decision_for_each_of_its_rows(spark, curated: Path):
    rows = read_delta(spark, curated / "decisions").collect()
    of_step: dict[str, dict[str, tuple[bool, str]]] = {}
    for row in rows:
        assert row.uid not in of_step.setdefault(row.step, {})
        of_step[row.step][row.uid] = (row.kept, row.rule)
    ingest, dedup = of_step["ingest-captions"], of_step["dedup-captions"]
    assert (len(ingest), ingest["u305"]) == (306, (False, "null_caption"))
    assert (len(dedup), dedup["u304"]) == (305, (False, "duplicate_caption"))
    assert dedup["u007"] == (True, "first_copy")
    balance = of_step["balance-captions"]
    assert (len(balance), balance["u303"]) == (304, (False, "no_entry"))
    balanced = read_delta(spark, curated / "balanced_captions")
    kept = {uid for uid, (is_kept, _) in balance.items() if is_kept}
    assert kept == {row.uid for row in balanced.collect()}


def test_steps_of_other_jobs_are_told_too(captionlake, spark, curated: Path, tmp_path: Path):
    """After a balancing, and in a folder without one, which the same steps wrote."""
    balanced, rules = curated / "balanced_captions", "[{rule: r, column: uid, op: '>=', value: u1}]"
    kept = sorted(row.uid for row in read_delta(spark, balanced).collect())
    low, high = kept[0], kept[-1]
    command = ("filter-captions", "--captions", balanced, "--rules", rules, "--decisions")
    for folder in (curated, tmp_path / "alone"):
        outcome = captionlake(*command, "--output", folder / "filtered")
        assert outcome.exit_code == 0, outcome.stderr
        told = explained(captionlake, folder, low)
        assert told.endswith(f"filter-captions: dropped by r; not in {folder}/filtered")
        assert f"filter-captions: kept; in {folder}/filtered" in explained(
            captionlake, folder, high
        )
        assert ("keep probability" in told) == (folder == curated)
    unknown = captionlake("explain", "--uid", "u999", "--run", tmp_path / "alone")
    assert unknown.exit_code == 3
    assert "uid 'u999' is in no table of the runs" in unknown.error
    by_caption = captionlake("explain", "--caption", "a cat", "--run", tmp_path / "alone")
    assert by_caption.exit_code == 3
    assert "'a cat' is in no table of the runs" in by_caption.error
