"""build-concept-bank from files and from ImageNet's synsets."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta


def test_parity_keeps_positions_and_names_the_faults(captionlake, spark: SparkSession, tmp_path):
    metadata = tmp_path / "metadata.json"
    metadata.write_text(json.dumps(["cat", "", "St. Bernard", "cat", "dog"]))
    outcome = captionlake(
        *("build-concept-bank", "--sources", f"metaclip_json:{metadata}"),
        *("--output", tmp_path / "bank"),
    )
    counts = {"entries": 5, "left_out": 0, "duplicate": 1, "empty": 1, "never_matches": 1}
    assert outcome.summary["counts"] == counts
    rows = read_delta(spark, tmp_path / "bank").orderBy("entry_id").collect()
    assert [(row.entry_id, row.entry, row.fault) for row in rows] == [
        (0, "cat", None),
        (1, "", "empty"),
        (2, "St. Bernard", "never_matches"),
        (3, "cat", "duplicate"),
        (4, "dog", None),
    ]


def test_without_parity_faulty_entries_are_in_rejected(captionlake, spark, tmp_path: Path):
    (tmp_path / "b.txt").write_text("cat\ncat\nu.s.\n")
    outcome = captionlake(
        *("build-concept-bank", "--sources", f"[imagenet1k, 'lines:{tmp_path / 'b.txt'}']"),
        *("--no-parity", "--output", tmp_path / "bank"),
    )
    counts = outcome.summary["counts"]
    bank = read_delta(spark, tmp_path / "bank")
    rejected = read_delta(spark, tmp_path / "rejected").collect()
    assert bank.count() == counts["entries"]
    assert len(rejected) == counts["left_out"] > 2
    assert {"duplicate", "never_matches"} == {row.reason for row in rejected}
    assert "u.s." in {json.loads(row.row)["entry"] for row in rejected}
    tench = bank.where("entry = 'tench'").first()
    assert (tench.wnid, tench.class_idx, tench.source) == ("n01440764", 0, "imagenet1k")
    assert tench.gloss.startswith("freshwater dace-like game fish")
    ids = sorted(row.entry_id for row in bank.select("entry_id").collect())
    assert ids == list(range(counts["entries"]))


@pytest.mark.slow
def test_a_bank_given_as_it_is_keeps_its_faults_and_tells_them(captionlake, tmp_path, caplog):
    (tmp_path / "captions.txt").write_text("a cat\n")
    (tmp_path / "b.txt").write_text("cat\n\ncat\nu.s.\n")
    outcome = captionlake(
        *("curate", tmp_path / "captions.txt", "--bank", tmp_path / "b.txt"),
        *("--output", tmp_path / "out", "--no-report"),
    )
    assert outcome.summary["counts"]["dedup-captions"]["entries"] == 4
    assert "(1 duplicate, 1 empty, 1 never matches)" in caplog.text
