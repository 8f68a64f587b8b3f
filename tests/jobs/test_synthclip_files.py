"""SynthCLIP's and MetaCLIP's own files, in at any step and out again."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.balancing.entry_count import count_matches
from spark_jobs.balancing.keep import match_probability, matches_by_uid, weigh_matches
from spark_jobs.storage.outputs.folders import n_files_for
from tests.delta_tables import read_delta


@pytest.fixture(scope="module")
def case(cases: Path) -> Path:
    return cases / "metaclip_balance"


def read(spark: SparkSession, address: Path):
    return read_delta(spark, address)


def items_of(folder: Path) -> list:
    return [item for file in folder.glob("*.json") for item in json.loads(file.read_text())]


@pytest.mark.slow
def test_published_matches_can_be_taken_over_balanced_and_handed_back(
    captionlake, spark: SparkSession, case: Path, tmp_path: Path
):
    """The folder that SynthCLIP's matching leaves, in; the files that its balancing writes, out."""
    files = defaultdict(list)
    for row in pq.read_table(case / "input_rows.parquet").to_pylist():
        files[row["file"]].append([row["caption"], row["entry_ids"]])
    (tmp_path / "with_count").mkdir()
    for name, items in files.items():
        (tmp_path / "with_count" / name).write_text(json.dumps(items))
    counts = pq.read_table(case / "expected_entry_count.parquet").sort_by("entry_id")["count"]
    np.save(tmp_path / "entry_count.npy", counts.to_numpy().astype(np.uint64))

    captions = tmp_path / "captions"
    ingest = captionlake(
        *("ingest-captions", "--preset", "synthclip_matches", "--input", tmp_path / "with_count"),
        *("--output", captions),
    )
    assert ingest.summary["counts"] == {
        **{"rows_in": 507, "kept": 405, "rejected": 102, "duplicate_uid": 102}
    }
    balance = captionlake(
        *("balance-captions", "--captions", captions, "--matches", captions, "--t", 5),
        *("--entry-counts", tmp_path / "entry_count.npy", "--output", tmp_path / "balanced"),
        *("--probabilities", tmp_path / "probabilities"),
    )
    (stats,) = (
        s for s in json.loads((case / "expected_stats.json").read_text())["per_t"] if s["t"] == 5
    )
    kept = balance.summary["counts"]["kept"]
    assert kept == pytest.approx(stats["kept_mean"], abs=5 * stats["kept_sd"])
    probabilities = read(spark, tmp_path / "probabilities").orderBy("entry_id").collect()
    assert [row.entry_count for row in probabilities] == counts.to_pylist()

    export = captionlake(
        *("export-captions", "--captions", tmp_path / "balanced", "--matches", captions),
        *("--entry-counts", tmp_path / "probabilities", "--name", "curated_captions_with_count_5"),
        *("--output", tmp_path / "out"),
    )
    assert export.summary["counts"] == {
        **{"rows_in": kept, "rows": kept, "files": 1, "without_matches": 0}
    }
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        *("_captionlake", "curated_captions_with_count_5_00000.json", "entry_count.npy")
    ]
    published = {caption: ids for items in files.values() for caption, ids in items}
    exported = items_of(tmp_path / "out")
    assert len({caption for caption, _ in exported}) == kept
    assert all(published[caption] == ids for caption, ids in exported)
    handed_back = np.load(tmp_path / "out/entry_count.npy")
    assert (handed_back.dtype, handed_back.tolist()) == (np.uint64, counts.to_pylist())

    again = captionlake(
        *("ingest-captions", "--preset", "synthclip_matches", "--output", tmp_path / "again"),
        *("--input", tmp_path / "out"),
    )
    assert again.summary["counts"]["kept"] == kept


def test_an_export_over_several_files_is_whole_and_replaces_the_last(
    captionlake, spark: SparkSession, tmp_path: Path
):
    rows = spark.range(3_000).selectExpr("concat('u', id) uid", "concat('caption ', id) caption")
    rows.write.format("delta").save(str(tmp_path / "captions"))
    arguments = ("export-captions", "--captions", tmp_path / "captions")
    arguments = (*arguments, "--output", tmp_path / "out", "--rows-per-file")
    many = captionlake(*arguments, 1_000).summary["counts"]
    sizes = [len(json.loads(file.read_text())) for file in (tmp_path / "out").glob("*.json")]
    assert many["files"] == len(sizes) > 3
    assert max(sizes) <= 1_000
    assert sorted(items_of(tmp_path / "out")) == sorted(f"caption {i}" for i in range(3_000))
    one = captionlake(*arguments, 5_000).summary["counts"]
    assert one == {"rows_in": 3_000, "rows": 3_000, "files": 1}
    assert len(list((tmp_path / "out").iterdir())) == 2
    (tmp_path / "out/mine.txt").write_text("x")
    refused = captionlake(*arguments, 4_000)
    assert refused.exit_code == 3
    assert "holds other files, such as mine.txt" in refused.error
    elsewhere = captionlake(*arguments[:-3], "--output", "lake.files")
    assert "files need a folder, not a name in the catalog" in elsewhere.error


@pytest.mark.parametrize("rows", [1, 999, 1_000, 1_001, 50_000, 10_000_000])
def test_files_stay_six_deviations_below_their_size(rows: int):
    n = n_files_for(rows, 1_000)
    mean = rows / n
    assert n == 1 or mean + 6 * mean**0.5 <= 1_000


class TestRecords:
    """MetaCLIP's demo balancer: records of several texts, kept where any of them is."""

    @pytest.fixture(scope="class")
    def expected(self, case: Path) -> dict:
        return json.loads((case / "v1_expected_records.json").read_text())

    @pytest.fixture(scope="class")
    def texts(self, spark: SparkSession, case: Path):
        """A row per text; the position names the record, as two of them share a uuid."""
        lines = (case / "v1_input_records.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        rows = [
            (f"{n:03} {record['uuid']}", k, ids)
            for n, record in enumerate(records)
            for k, (_, _, ids) in enumerate(record["texts"])
        ]
        return spark.createDataFrame(rows, "uid string, caption_id int, entry_ids array<int>")

    def test_counts_run_over_all_texts(self, texts, expected: dict):
        counts = dict.fromkeys(range(40), 0)
        counts |= {row.entry_id: row.entry_count for row in count_matches(texts).collect()}
        assert list(counts.values()) == expected["entry_count"]

    def test_a_record_is_kept_where_one_of_its_texts_is_and_once(self, texts, expected: dict):
        counts = np.array(expected["entry_count"])
        records = matches_by_uid(texts).toPandas()
        assert len(records) == records.uid.nunique() == texts.select("uid").distinct().count()
        for run in expected["constant_draw"]:
            probability = match_probability(counts, t=run["t"])
            kept = {
                row.uid.split()[1]
                for row in records.itertuples()
                if len(row.entry_ids) and probability[row.entry_ids].max() > run["u"]
            }
            assert kept == set(run["kept_uuids_in_order"]), (run["t"], run["u"])

    def test_its_probability_is_that_of_a_draw_per_text(self, texts, expected: dict):
        probability = match_probability(np.array(expected["entry_count"]), t=2)
        found = weigh_matches(matches_by_uid(texts), probability).collect()
        missed: dict[str, float] = defaultdict(lambda: 1.0)
        for row in texts.collect():
            missed[row.uid] *= np.prod(1 - probability[row.entry_ids])
        for row in found:
            assert row.keep_probability == pytest.approx(1 - missed[row.uid], abs=1e-12)

    @pytest.mark.parametrize("form", [pytest.param("json", marks=pytest.mark.slow), "jsonl"])
    def test_records_go_through_ingest_and_balance(
        self, captionlake, spark: SparkSession, case: Path, expected: dict, tmp_path, form
    ):
        lines = (case / "v1_input_records.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        records += [{"uuid": "v1", "texts": [["alt", "a", [-1]]]}, {"texts": []}, {"uuid": "v2"}]
        records += [{"url": "http://x/v3", "texts": [["alt", "from the url", [3]]]}]
        source = tmp_path / f"records.{form}"
        written = map(json.dumps, records)
        source.write_text("\n".join(written) if form == "jsonl" else f"[{', '.join(written)}]")
        captions = tmp_path / "captions"
        ingest = captionlake(
            *("ingest-captions", "--preset", "metaclip", "--format", form, "--input", source),
            *("--output", captions),
        )
        texts = sum(len(json.loads(line)["texts"]) for line in lines)
        assert ingest.summary["counts"] == {
            **{"rows_in": texts + 4, "kept": texts, "rejected": 4},
            **{"duplicate_uid": 1, "wrong_record": 3},
        }
        outcome = captionlake(
            *("balance-captions", "--captions", captions, "--matches", captions),
            *("--t", 100, "--output", tmp_path / "balanced"),
        )
        assert outcome.exit_code == 0, outcome.stderr
        balanced = read(spark, tmp_path / "balanced").collect()
        kept = set(expected["kept_uuids_in_order_when_t_exceeds_all_counts"])
        of_url = {row.uid for row in balanced} - kept
        assert {row.uid for row in balanced} >= kept
        assert [len(uid) for uid in of_url] == [32]
        assert len(balanced) == len({(row.uid, row.caption_id) for row in balanced})
        of_u3 = sorted(row for row in balanced if row.uid == "u3")
        assert [(r.caption_id, r.caption_source, r.caption, r.entry_ids) for r in of_u3] == [
            (0, "title", "text 3 0", [18]),
            (1, "title", "text 3 1", [2, 28]),
            (2, "alt", "text 3 2", [9]),
        ]


def test_pairs_that_are_none_are_rejected(captionlake, spark: SparkSession, tmp_path: Path):
    items = [["a cat", [1, 0]], ["no ids"], ["a", [1.5]], ["b", [-1]], ["c", "x"], [None, [1]], 3]
    (tmp_path / "pairs.json").write_text(json.dumps(items))
    outcome = captionlake(
        *("ingest-captions", "--preset", "synthclip_matches", "--input", tmp_path / "pairs.json"),
        *("--output", tmp_path / "captions"),
    )
    assert outcome.summary["counts"] == {
        **{"rows_in": 7, "kept": 1, "rejected": 6, "corrupt_json": 6}
    }
    (row,) = read(spark, tmp_path / "captions").collect()
    assert (row.caption, row.entry_ids) == ("a cat", [0, 1])


def test_ids_of_a_table_are_checked(captionlake, spark: SparkSession, tmp_path: Path):
    rows = [("a", [2, 1, 2]), ("b", [-1]), ("c", [None]), ("d", [2**31]), ("e", None)]
    frame = spark.createDataFrame(rows, "caption string, entry_ids array<bigint>")
    frame.coalesce(1).write.parquet(str(tmp_path / "in"))
    arguments = ("ingest-captions", "--input", tmp_path / "in", "--output")
    outcome = captionlake(*arguments, tmp_path / "captions")
    assert outcome.summary["counts"]["invalid_entry_ids"] == 3
    kept = {row.caption: row.entry_ids for row in read(spark, tmp_path / "captions").collect()}
    assert kept == {"a": [1, 2], "e": None}
    refused = captionlake(*arguments, tmp_path / "x", "--columns", "{entry_ids: caption}")
    assert "'caption' is string, expected an array of whole numbers" in refused.error


@pytest.mark.slow
def test_records_without_ids_are_matched_per_text_and_balanced_as_one(
    captionlake, spark: SparkSession, tmp_path: Path
):
    records = [
        {"uuid": "r0", "url": "http://x/0", "texts": [["alt", "a cat"], ["title", "nothing"]]},
        {"uuid": "r1", "url": "http://x/1", "texts": [["alt", "no entry"]]},
    ]
    (tmp_path / "records.json").write_text(json.dumps(records))
    (tmp_path / "bank.txt").write_text("cat\ndog\n")
    outcome = captionlake(
        *("curate", tmp_path / "records.json", "--preset", "metaclip"),
        *("--bank", tmp_path / "bank.txt", "--output", tmp_path / "out"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    matches = read(spark, tmp_path / "out/matches").select("uid", "caption_id", "entry_ids")
    assert [tuple(row) for row in matches.orderBy("uid", "caption_id").collect()] == [
        ("r0", 0, [0]),
        ("r0", 1, []),
        ("r1", 0, []),
    ]
    balanced = read(spark, tmp_path / "out/balanced_captions").orderBy("caption_id").collect()
    assert [(row.uid, row.caption) for row in balanced] == [("r0", "a cat"), ("r0", "nothing")]
