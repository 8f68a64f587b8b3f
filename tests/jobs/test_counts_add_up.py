"""What jobs report of rows adds up: each row of the input is kept, dropped or named."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta

ROWS = [
    (f"u{k // 3}", k % 3, f"a cat {k % 40}" if k % 2 else "a dog and a cat", c, k / 240, [k % 5])
    for k in range(240)
    for c in [f"n{k % 7:08}" if k % 11 else None]
]
DECIDING = {
    "dedup-captions": (["--captions", "TEXTS"], ("kept", "duplicates")),
    "filter-captions": (
        [
            *("--captions", "TEXTS", "--set"),
            "rules=[{rule: near, column: similarity, op: '>', value: 0.5}]",
        ],
        ("kept", "dropped_near"),
    ),
    "sample-subset": (
        ["--input", "TEXTS", "--class-column", "wnid", "--fraction", 0.25],
        ("kept", "dropped"),
    ),
    "balance-captions": (
        ["--captions", "TEXTS", "--matches", "TEXTS", "--t", 10],
        ("kept", "unmatched", "thinned"),
    ),
}


@pytest.fixture(scope="module")
def texts(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("counts") / "texts"
    columns = (
        "uid string, caption_id int, caption string, wnid string, similarity double, "
        "entry_ids array<int>"
    )
    spark.createDataFrame(ROWS, columns).write.format("delta").save(str(path))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("job", DECIDING)
def test_rows_in_are_kept_or_dropped(captionlake, spark, texts, tmp_path, job: str) -> None:
    arguments, parts = DECIDING[job]
    given = [texts if argument == "TEXTS" else argument for argument in arguments]
    outcome = captionlake(job, *given, "--output", tmp_path / "out")
    counts = outcome.summary["counts"]
    assert counts["rows_in"] == len(ROWS) == sum(counts[part] for part in parts)
    assert counts["kept"] == read_delta(spark, tmp_path / "out").count()


def test_matches_are_those_that_are_counted(captionlake, spark, texts, tmp_path) -> None:
    (tmp_path / "bank.txt").write_text("cat\ndog\nbird\n")
    outcome = captionlake(
        *("match-concepts", "--captions", texts, "--bank", tmp_path / "bank.txt"),
        *("--output", tmp_path / "out", "--entry-counts", tmp_path / "counts"),
    )
    counts = outcome.summary["counts"]
    matches = read_delta(spark, tmp_path / "out").collect()
    entries = read_delta(spark, tmp_path / "counts").collect()
    assert counts["rows_in"] == len(matches) == len(ROWS)
    assert counts["matched"] == sum(bool(row.entry_ids) for row in matches)
    assert counts["matches"] == sum(row.entry_count for row in entries) == 240 + 120
