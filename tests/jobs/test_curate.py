"""The whole path on real captions: ingest, dedup, match, balance."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.errors import OutputTableError
from spark_jobs.jobs import curate, match_concepts
from spark_jobs.running.launch import Summary, execute
from tests.delta_tables import read_delta
from tests.failing_writes import failing_writes

Curated = Callable[..., Summary]


@pytest.fixture
def run_curate(spark: SparkSession) -> Curated:
    def run(**settings: object) -> Summary:
        return execute(curate.JOB, curate.Curate(**settings, report=False), say=lambda line: None)

    return run


def rows(spark: SparkSession, folder: Path, table: str) -> list[dict]:
    return [row.asDict() for row in read_delta(spark, folder / table).collect()]


def digest(spark: SparkSession, folder: Path, *tables: str) -> str:
    """One digest of the sorted rows of tables, whatever their files."""
    lines = [
        json.dumps([table, row], sort_keys=True, default=str)
        for table in tables
        for row in rows(spark, folder, table)
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


OUTPUTS = ("matches", "entry_counts", "entry_probabilities", "balanced_captions")


@pytest.mark.slow
class TestRealWebCaptions:
    """5,000 captions of LAION-400M, 37,006 lemmas; matches exactly as published."""

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("laion")

    @pytest.fixture(scope="class")
    def summary(self, spark: SparkSession, cases: Path, folder: Path) -> Summary:
        settings = curate.Curate(
            input=str(cases / "laion_real/input.parquet"),
            bank=str(cases / "laion_real/entries.json"),
            preset="laion400m",
            t=20,
            output=str(folder),
        )
        return execute(curate.JOB, settings, say=lambda line: None)

    def test_every_row_is_accounted_for(
        self, spark: SparkSession, folder: Path, summary: Summary
    ) -> None:
        counts = summary.counts["ingest-captions"]
        assert counts["rows_in"] == 5_000
        assert counts["kept"] + counts["rejected"] == 5_000
        assert len(rows(spark, folder, "matches")) == counts["kept"]
        assert counts["matched"] + counts["unmatched"] == counts["kept"]
        assert not (folder / "captions").exists()

    def test_matches_are_the_published_ones(
        self, spark: SparkSession, cases: Path, folder: Path, summary: Summary
    ) -> None:
        source = pq.read_table(cases / "laion_real/input.parquet").to_pylist()
        published = pq.read_table(cases / "laion_real/expected_metaclip.parquet").to_pylist()
        expected_of = {row["row"]: row["entry_ids"] for row in published}
        by_pair = {(r["URL"], r["TEXT"]): expected_of[r["row"]] for r in source}
        found = {(r["url"], r["caption"]): r["entry_ids"] for r in rows(spark, folder, "matches")}
        assert found == {pair: by_pair[pair] for pair in found}
        assert len(found) == summary.counts["ingest-captions"]["kept"]

    def test_entries_are_counted_once_per_caption(
        self, spark: SparkSession, folder: Path, summary: Summary
    ) -> None:
        counted: dict[int, int] = {}
        for row in rows(spark, folder, "matches"):
            for entry_id in row["entry_ids"]:
                counted[entry_id] = counted.get(entry_id, 0) + 1
        found = {r["entry_id"]: r["entry_count"] for r in rows(spark, folder, "entry_counts")}
        assert len(found) == 37_006
        assert {e: n for e, n in found.items() if n} == counted

    def test_what_balancing_kept_follows_from_the_stored_draws(
        self, spark: SparkSession, folder: Path, summary: Summary
    ) -> None:
        from spark_jobs.balancing.keep import BALANCING
        from spark_jobs.core.draws import Draw

        counts = {r["entry_id"]: r["entry_count"] for r in rows(spark, folder, "entry_counts")}
        matches = read_delta(spark, folder / "matches")
        kept = set()
        for row in matches.withColumn("draw", Draw(BALANCING, 0).of("uid")).collect():
            missed = 1.0
            for entry_id in row.entry_ids:
                missed *= 1 - 20 / max(counts[entry_id], 20)
            if row.draw < 1 - missed:
                kept.add(row.uid)
        assert kept == {r["uid"] for r in rows(spark, folder, "balanced_captions")}
        assert 0 < len(kept) < 5_000

    def test_counts_after_balancing_are_those_of_the_kept_rows(
        self, spark: SparkSession, folder: Path, summary: Summary
    ) -> None:
        kept = {r["uid"] for r in rows(spark, folder, "balanced_captions")}
        counted: dict[int, int] = {}
        for row in rows(spark, folder, "matches"):
            for entry_id in row["entry_ids"] if row["uid"] in kept else []:
                counted[entry_id] = counted.get(entry_id, 0) + 1
        after = {r["entry_id"]: r["kept_count"] for r in rows(spark, folder, "entry_probabilities")}
        assert {e: n for e, n in after.items() if n} == counted

    def test_the_report_is_there(self, summary: Summary) -> None:
        assert summary.report is not None
        kept = summary.counts["balance-captions"]["kept"]
        assert f">{kept:,}<" in Path(summary.report).read_text(encoding="utf-8")

    def test_each_commit_and_the_runs_table_name_the_run(
        self, spark: SparkSession, folder: Path, summary: Summary
    ) -> None:
        recorded = {r["run_id"]: r for r in rows(spark, folder, "runs")}
        for table in OUTPUTS:
            history = spark.sql(f"DESCRIBE HISTORY delta.`{folder / table}`").collect()
            assert json.loads(history[0].userMetadata)["run_id"] in recorded
        balance = next(s for s in summary.steps if s["job"] == "balance-captions")
        last = recorded[balance["run_id"]]
        assert json.loads(last["inputs"])[str(folder / "matches")].startswith("delta:0:")


def blip_captions(real_data: Path) -> list[str]:
    files = sorted((real_data / "blip_coco").glob("*.json"))
    return [row["caption"] for file in files for row in json.loads(file.read_text())]


@pytest.mark.slow
def test_blip_captions_are_deduplicated_and_counted_as_by_hand(
    spark: SparkSession, real_data: Path, cases: Path, tmp_path: Path, run_curate: Curated
) -> None:
    captions = blip_captions(real_data)
    source = tmp_path / "blip.jsonl"
    source.write_text("".join(json.dumps({"caption": c}) + "\n" for c in captions))
    bank = ["dog", "a dog", "cat", "man", "on top of", "street", "zebra crossing", "St. Bernard"]
    (tmp_path / "bank.txt").write_text("\n".join(bank))
    out = tmp_path / "out"
    summary = run_curate(input=str(source), bank=str(tmp_path / "bank.txt"), t=50, output=str(out))
    assert len(captions) == 15_000
    assert summary.counts["ingest-captions"]["rows_in"] == 15_000
    distinct = set(captions)
    assert {r["caption"] for r in rows(spark, out, "matches")} == distinct
    counts = {r["entry"]: r["entry_count"] for r in rows(spark, out, "entry_counts")}
    padded = [f" {c.replace(',', ' , ').replace('.', ' . ')} " for c in distinct]
    by_hand = {entry: sum(f" {entry} " in text for text in padded) for entry in bank}
    assert counts == by_hand
    assert counts["man"] > 50


@pytest.fixture
def captions_folder(tmp_path: Path) -> Path:
    """4,000 captions in four files; concepts of very different frequency; some copies."""
    folder = tmp_path / "in"
    folder.mkdir()
    captions = [f"a {'cat' if i % 5 else 'dog'} number {i % 1500}" for i in range(4_000)]
    captions += ["no concept here", "a rare newt"]
    for k in range(4):
        pq.write_table(pa.table({"caption": captions[k::4]}), folder / f"part{k}.parquet")
    return folder


def bank_file(tmp_path: Path) -> str:
    path = tmp_path / "bank.json"
    path.write_text(json.dumps(["cat", "dog", "newt", "number 7"]))
    return str(path)


@pytest.mark.slow
def test_same_rows_for_any_file_order_split_size_and_partitioning(
    spark: SparkSession, captions_folder: Path, tmp_path: Path, run_curate: Curated
) -> None:
    bank, digests = bank_file(tmp_path), set()
    outputs = (*OUTPUTS, "captions")
    settings = [("128m", "2", False), ("4k", "7", True), ("1m", "1", False)]
    for k, (split, partitions, reversed_) in enumerate(settings):
        source = tmp_path / f"in{k}"
        source.mkdir()
        parts = sorted(captions_folder.iterdir(), reverse=reversed_)
        for position, part in enumerate(parts):
            (source / f"{position}.parquet").write_bytes(part.read_bytes())
        spark.conf.set("spark.sql.files.maxPartitionBytes", split)
        spark.conf.set("spark.sql.shuffle.partitions", partitions)
        run_curate(input=str(source), bank=bank, t=30, output=str(tmp_path / f"out{k}"))
        digests.add(digest(spark, tmp_path / f"out{k}", *outputs))
    spark.conf.set("spark.sql.files.maxPartitionBytes", "128m")
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    assert len(digests) == 1


def test_a_second_run_writes_nothing_and_another_t_only_balances(
    spark: SparkSession, captions_folder: Path, tmp_path: Path, run_curate: Curated
) -> None:
    settings = {
        "input": str(captions_folder),
        "bank": bank_file(tmp_path),
        "output": str(tmp_path / "out"),
    }
    first, second = run_curate(**settings, t=30), run_curate(**settings, t=30)
    assert (first.status, second.status) == ("done", "up_to_date")
    assert second.counts == first.counts
    for table in OUTPUTS:
        name = f"delta.`{tmp_path / 'out' / table}`"
        assert spark.sql(f"DESCRIBE HISTORY {name}").count() == 1
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("balance-captions ..."):  # another run begins in the middle of this one
            with pytest.raises(
                OutputTableError, match="balanced_captions: belongs to a run of cur"
            ):
                run_curate(**settings, t=90)

    third = execute(curate.JOB, curate.Curate(**settings, report=False, t=60), say=say)
    assert [path.name for path in (tmp_path / "out").glob(".*") if path.is_file()] == []
    assert "balance-captions ... setting t: 30 -> 60" in said
    statuses = {step["job"]: step["status"] for step in third.steps}
    assert statuses.pop("balance-captions") == "done"
    assert set(statuses.values()) == {"up_to_date"}


@pytest.mark.faults
def test_an_interrupted_run_goes_on_to_the_rows_of_an_undisturbed_one(
    spark: SparkSession,
    captions_folder: Path,
    tmp_path: Path,
    run_curate: Curated,
) -> None:
    bank = bank_file(tmp_path)
    undisturbed = tmp_path / "undisturbed"
    run_curate(input=str(captions_folder), bank=bank, t=30, output=str(undisturbed))
    # Between two tables of one step: captions, matches, entry_counts, balanced_captions,
    # probabilities. Drivers killed between steps: test_killed_drivers.py
    for stop_at in (2, 4):
        out, written = tmp_path / f"stopped{stop_at}", []

        def stopped(address: str, written=written, stop_at=stop_at) -> KeyboardInterrupt | None:  # type: ignore
            if len(written) == stop_at:
                return KeyboardInterrupt()
            written.append(address)
            return None

        with pytest.raises(KeyboardInterrupt), failing_writes(stopped):
            run_curate(input=str(captions_folder), bank=bank, t=30, output=str(out))
        run_curate(input=str(captions_folder), bank=bank, t=30, output=str(out))
        assert digest(spark, out, *OUTPUTS) == digest(spark, undisturbed, *OUTPUTS)


def test_a_page_of_others_stops_before_the_ingest(
    spark: SparkSession, captions_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("my own report")
    settings = curate.Curate(
        input=str(captions_folder), bank=bank_file(tmp_path), t=30, output=str(out)
    )
    with pytest.raises(OutputTableError, match=r"report\.html"):
        execute(curate.JOB, settings, say=lambda line: None)
    assert [path.name for path in out.iterdir()] == ["report.html"]


def test_pairs_with_urls_are_not_made_unique_by_caption(
    spark: SparkSession, tmp_path: Path, run_curate: Curated
) -> None:
    source = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"URL": ["u1", "u2"], "TEXT": ["a cat", "a cat"]}), source)
    out = tmp_path / "out"
    run_curate(
        input=str(source), preset="laion400m", bank=bank_file(tmp_path), t=9, output=str(out)
    )
    assert len(rows(spark, out, "balanced_captions")) == 2
    assert not (out / "captions").exists()


@pytest.mark.slow
def test_two_banks_in_one_session_do_not_mix(spark: SparkSession, tmp_path: Path) -> None:
    pairs = [("u1", "a cat"), ("u2", "a dog"), ("u3", "a newt")]
    captions = spark.createDataFrame(pairs, "uid string, caption string")
    captions.write.format("delta").save(str(tmp_path / "captions"))
    banks = {"first": ["cat"], "second": ["dog", "newt"]}
    for name, entries in banks.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(entries))
        settings = match_concepts.MatchConcepts(
            captions=str(tmp_path / "captions"),
            bank=str(tmp_path / f"{name}.txt"),
            output=str(tmp_path / name / "matches"),
            entry_counts=str(tmp_path / name / "entry_counts"),
        )
        execute(match_concepts.JOB, settings, say=lambda line: None)
    for name, entries in banks.items():
        counts = rows(spark, tmp_path / name, "entry_counts")
        assert {r["entry"]: r["entry_count"] for r in counts} == dict.fromkeys(entries, 1)
    found = {r["uid"]: r["entry_ids"] for r in rows(spark, tmp_path / "second", "matches")}
    assert found == {"u1": [], "u2": [0], "u3": [1]}
