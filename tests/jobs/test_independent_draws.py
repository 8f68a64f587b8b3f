"""A job draws among the rows that another has kept as among any rows: whole jobs in a row."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.concepts.imagenet_prompts import imagenet_templates
from tests.delta_tables import read_delta

pytestmark = pytest.mark.slow

HEAD, TAIL = 18_000, 2_000
N = HEAD + TAIL


def read(spark: SparkSession, path: Path) -> DataFrame:
    return read_delta(spark, path)


@pytest.fixture
def succeed(captionlake):
    def run(*arguments: object) -> dict[str, int]:
        outcome = captionlake(*arguments)
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.summary["counts"]

    return run


@pytest.fixture
def matches(spark: SparkSession, tmp_path: Path) -> Path:
    """Nine tenths of 20,000 captions match entry 0, ten each of the others one of 200."""
    entries = [0] * HEAD + [1 + k // 10 for k in range(TAIL)]
    rows = [(f"u{k:05}", "x", [e], "all", str(min(e, 1))) for k, e in enumerate(entries)]
    schema = "uid string, caption string, entry_ids array<int>, one string, part string"
    frame = spark.createDataFrame(rows, schema)
    frame.write.parquet(str(tmp_path / "matches"))
    return tmp_path / "matches"


def balance(matches: Path, t: int, output: Path) -> list[object]:
    tables = ("--captions", matches, "--matches", matches)
    return ["balance-captions", *tables, "--t", t, "--output", output]


def head_share(spark: SparkSession, path: Path) -> float:
    rows = [row.entry_ids[0] == 0 for row in read(spark, path).select("entry_ids").collect()]
    return float(np.mean(rows))


def deviations(found: float, share: float, n: int) -> float:
    """How far a share of n draws is from what is expected."""
    return abs(found - share) / float(np.sqrt(share * (1 - share) / n))


def test_frequencies_matched_after_balancing(succeed, spark, matches: Path, tmp_path) -> None:
    """The rows with the smallest draws are those of the head: of 600 of them 400 would be."""
    balanced = tmp_path / "balanced"
    succeed(*balance(matches, 400, balanced))
    share = head_share(spark, balanced)
    assert share == pytest.approx(400 / 2_400, abs=0.04)
    (tmp_path / "target.txt").write_text("all\t600\n")
    succeed(
        *("match-frequencies", "--sources", balanced, "--target-counts", tmp_path / "target.txt"),
        *("--class-column", "one", "--output", tmp_path / "matched"),
    )
    assert read(spark, tmp_path / "matched").count() == 600
    assert deviations(head_share(spark, tmp_path / "matched"), share, 600) < 4


def test_a_quarter_balanced(succeed, spark, matches: Path, tmp_path: Path) -> None:
    """As many as the plan says, not all that the quarter holds."""
    quarter = tmp_path / "quarter"
    succeed(
        *("sample-subset", "--input", matches, "--output", quarter, "--class-column", "part"),
        *("--fraction", 0.25, "--stratified"),
    )
    assert read(spark, quarter).count() == N // 4
    succeed("plan-balance", "--matches", quarter, "--ts", "[900]", "--output", tmp_path / "plan")
    planned = read(spark, tmp_path / "plan").collect()[0].expected_rows
    assert planned == pytest.approx(900 + TAIL // 4, abs=1)
    kept = succeed(*balance(quarter, 900, tmp_path / "balanced"))
    assert kept["kept"] == pytest.approx(planned, abs=4 * np.sqrt(900 * 0.8))


def test_balanced_again_with_a_smaller_t(succeed, spark, matches: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    succeed(*balance(matches, 2_000, once))
    n_head = read(spark, once).where("part = '0'").count()
    assert n_head == pytest.approx(2_000, abs=180)
    kept = succeed(*balance(once, 500, twice))
    assert kept["kept"] - TAIL == pytest.approx(500, abs=4 * np.sqrt(500))


def test_sampled_again_by_another_column(succeed, spark, matches: Path, tmp_path: Path) -> None:
    """The first sample has cut the head to its smallest draws; the second takes no more of it."""
    capped, part = tmp_path / "capped", tmp_path / "part"
    sample = ("sample-subset", "--class-column")
    succeed(*sample, "part", "--input", matches, "--output", capped, "--tail-classes", 2,
            "--tail-rows", 2_000)  # fmt: skip
    rows = read(spark, capped).groupBy("part").count().collect()
    assert {row["part"]: row["count"] for row in rows} == {"0": 2_000, "1": 2_000}
    for said in (["--n", 800], ["--max-per-class", 800]):
        succeed(*sample, "one", "--input", capped, "--output", part, *said)
        assert read(spark, part).count() == 800
        assert deviations(head_share(spark, part), 0.5, 800) < 4


@pytest.fixture
def records(tmp_path: Path) -> Path:
    table = pd.DataFrame({"uid": [f"r{k:05}" for k in range(8_000)], "wnid": "n01440764"})
    table.assign(title="", caption="").to_parquet(tmp_path / "records.parquet")
    return tmp_path / "records.parquet"


def test_templates_of_a_subset_and_their_order(succeed, spark, records: Path, tmp_path) -> None:
    """A tenth of the rows draws all 80 templates, and shuffling does not sort by them."""
    subset, varied = tmp_path / "subset", tmp_path / "varied"
    succeed("sample-subset", "--input", records, "--output", subset, "--n", 800)
    succeed(
        *("vary-captions", "--imagenet-captions", subset, "--texts", "[]", "--template"),
        *("openai80", "--append-class-name", "--output", varied, "--shuffle"),
        *("--tsv", tmp_path / "shuffled.tsv"),
    )
    captions = [row.caption for row in read(spark, varied).collect()]
    used = Counter(captions)
    assert len(used) > 75
    assert max(used.values()) < 28  # 10 each
    lines = (tmp_path / "shuffled.tsv").read_text().splitlines()[1:]
    place = {template.format("tench"): k for k, template in enumerate(imagenet_templates())}
    order = [place[line.split("\t")[2].strip()] for line in lines]
    assert len(order) == 800
    assert abs(np.corrcoef(np.arange(800), order)[0, 1]) < 4 / np.sqrt(800)
    assert len(set(order[:80])) > 38  # of 51; sorted by the templates they would be 8
