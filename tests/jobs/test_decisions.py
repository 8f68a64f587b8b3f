"""Every job that writes decisions writes one for each row of its input, keyed as that table is."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta

ROWS = [
    (f"u{k // 3}", k % 3, f"caption {k % 40}", f"c{k % 7}" if k % 11 else None, k / 240, [k % 5])
    for k in range(240)
]


@pytest.fixture(scope="module")
def texts(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 records of three texts; equal captions, classes that are null, similarities."""
    path = tmp_path_factory.mktemp("decisions") / "texts"
    columns = (
        "uid string, caption_id int, caption string, wnid string, similarity double, "
        "entry_ids array<int>"
    )
    spark.createDataFrame(ROWS, columns).write.format("delta").save(str(path))
    return path


JOBS = {
    "dedup-captions": ["--captions", "TEXTS"],
    "filter-captions": [
        *("--captions", "TEXTS", "--set"),
        "rules=[{rule: near, column: similarity, op: '>', value: 0.5}]",
    ],
    "sample-subset": ["--input", "TEXTS", "--class-column", "wnid", "--fraction", 0.25],
    "match-frequencies": [
        *("--sources", "TEXTS", "--class-column", "wnid", "--shape", "zipf", "--rows", 40),
    ],
    "balance-captions": ["--captions", "TEXTS", "--matches", "TEXTS", "--t", 10],
}


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
def test_a_decision_for_each_row(captionlake, spark, texts: Path, tmp_path: Path, job: str):
    arguments = [texts if argument == "TEXTS" else argument for argument in JOBS[job]]
    outcome = captionlake(job, *arguments, "--output", tmp_path / "out", "--decisions")
    assert outcome.exit_code == 0, outcome.stderr
    decisions = read_delta(spark, tmp_path / "decisions").collect()
    assert sorted((d.uid, d.caption_id) for d in decisions) == sorted(row[:2] for row in ROWS)
    output = read_delta(spark, tmp_path / "out").collect()
    kept = sorted((d.uid, d.caption_id) for d in decisions if d.kept)
    assert kept == sorted((row.uid, row.caption_id) for row in output)
    assert 0 < len(kept) < len(ROWS)
    assert all(d.rule for d in decisions)


@pytest.mark.slow
def test_ingest_has_one_for_each_row_of_a_record(captionlake, spark, tmp_path: Path) -> None:
    records = [
        {"uuid": f"u{k}", "texts": [["alt", f"a {k}"], ["title", f"b {k}"]]} for k in range(9)
    ]
    records.append({"uuid": "u9", "texts": [["alt", "c"], ["title", None]]})
    (tmp_path / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    outcome = captionlake(
        *("ingest-captions", "--preset", "metaclip", "--input", tmp_path / "records.jsonl"),
        *("--format", "jsonl", "--output", tmp_path / "out", "--decisions"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    decisions = read_delta(spark, tmp_path / "decisions").collect()
    assert Counter(d.kept for d in decisions) == {True: 19, False: 1}
    assert len(decisions) == outcome.summary["counts"]["rows_in"]
    kept = sorted((d.uid, d.caption_id) for d in decisions if d.kept)
    assert kept == sorted([(f"u{k}", n) for k in range(9) for n in (0, 1)] + [("u9", 0)])


@pytest.mark.slow
def test_rows_of_two_sources_have_one_each(captionlake, spark, tmp_path: Path) -> None:
    for name, uids in (("near", range(30)), ("far", range(20, 60))):
        table = {"uid": [f"u{k}" for k in uids], "wnid": [f"c{k % 3}" for k in uids]}
        pq.write_table(pa.table(table | {"caption": table["uid"]}), tmp_path / f"{name}.parquet")
    outcome = captionlake(
        *("match-frequencies", "--class-column", "wnid", "--shape", "zipf", "--rows", 20),
        *("--sources", f"[{tmp_path / 'near.parquet'}, {tmp_path / 'far.parquet'}]"),
        *("--output", tmp_path / "out", "--decisions"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    decisions = read_delta(spark, tmp_path / "decisions").collect()
    assert len(decisions) == 70 == outcome.summary["counts"]["rows_in"]
    assert sum(d.kept for d in decisions) == outcome.summary["counts"]["rows"] == 20
