"""Tables that do not belong together are refused, and no two steps draw alike."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.balancing.keep import BALANCING
from spark_jobs.core.draws import Draw
from spark_jobs.jobs import match_concepts
from spark_jobs.running.launch import execute
from tests.delta_tables import read_delta

N = 2_000
WORDS = ("cat", "dog", "newt")


def caption_of(i: int) -> str:
    """1,500 cats, 750 dogs, 20 newts, 485 captions of nothing."""
    words = [w for w, is_in in zip(WORDS, (i % 4, i % 8 > 4, i % 100 == 7), strict=True) if is_in]
    return f"{' and '.join(words) or 'nothing'} {i}"


def write(spark: SparkSession, folder: Path, name: str, rows: dict[str, list]) -> Path:
    pq.write_table(pa.table(rows), folder / f"{name}.parquet")
    frame = spark.read.parquet(str(folder / f"{name}.parquet"))
    frame.write.format("delta").mode("overwrite").save(str(folder / name))
    return folder / name


@pytest.fixture(scope="module")
def stored(spark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """captions, every third of them, and their matches and entry_counts by several banks."""
    folder = tmp_path_factory.mktemp("stored")
    captions = [caption_of(i) for i in range(N)]
    write(spark, folder, "captions", {"uid": [f"u{i}" for i in range(N)], "caption": captions})
    some = rows(spark, folder / "captions").where("crc32(uid) % 3 = 0")
    some.write.format("delta").save(str(folder / "filtered"))
    bank = [*WORDS, "unicorn"]
    (folder / "bank.json").write_text(json.dumps(bank))
    (folder / "reversed.json").write_text(json.dumps(bank[::-1]))
    (folder / "shorter.json").write_text(json.dumps(WORDS))
    (folder / "copy.txt").write_text("\n".join(bank) + "\n")
    match(folder, "captions")
    for name in ("reversed.json", "shorter.json", "copy.txt"):
        match(folder, "captions", name, to=f"{name.split('.')[0]}_")
    match(folder, "filtered", to="few_")
    return folder


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    """The same tables, for a test of its own."""
    shutil.copytree(stored, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    return tmp_path


def match(folder: Path, captions: str, bank: str = "bank.json", to: str = "", **more) -> None:
    settings = match_concepts.MatchConcepts(
        captions=str(folder / captions),
        bank=str(folder / bank),
        output=str(folder / f"{to}matches"),
        entry_counts=str(folder / f"{to}entry_counts"),
        **more,
    )
    execute(match_concepts.JOB, settings, say=lambda line: None)


def balance(captionlake, folder: Path, *more: object, matches: str = "matches", **settings: str):
    """balance-captions; `settings`: captions, entry_counts, as names in the folder."""
    named = {"captions": "captions", "matches": matches} | settings
    options = [x for k, v in named.items() for x in (f"--{k.replace('_', '-')}", folder / v)]
    limit = [] if "--target-rows" in more else ["--t", 100]
    return captionlake("balance-captions", *options, *limit, *more, "--output", folder / "out")


def rows(spark: SparkSession, table: Path):
    return read_delta(spark, table)


def counts_of(spark, folder: Path) -> dict[str, int]:
    """How many captions hold each word, by the captions alone."""
    texts = [row.caption.split() for row in rows(spark, folder).select("caption").collect()]
    return {word: sum(word in text for text in texts) for word in WORDS}


class TestAnotherBank:
    @pytest.mark.parametrize("named", ["counts", "matches"])
    def test_counts_of_a_bank_in_another_order_are_refused(
        self, captionlake, folder, named
    ) -> None:
        pair = {"matches": "matches", "entry_counts": "reversed_entry_counts"}
        if named == "matches":
            pair = {"matches": "reversed_matches", "entry_counts": "entry_counts"}
        outcome = balance(captionlake, folder, **pair)
        assert outcome.exit_code == 3
        assert "reversed.json (4 entries" in outcome.error
        assert "bank.json (4 entries" in outcome.error
        assert "leave out entry_counts" in outcome.error

    def test_so_does_plan_balance(self, captionlake, folder: Path) -> None:
        outcome = captionlake(
            "plan-balance", "--matches", folder / "matches", "--entry-counts",
            folder / "reversed_entry_counts", "--output", folder / "plan",
        )  # fmt: skip
        assert (outcome.exit_code, "are of the bank" in outcome.error) == (3, True)

    @pytest.mark.slow
    def test_the_same_bank_from_another_file_is_the_same(self, captionlake, folder: Path) -> None:
        outcome = balance(captionlake, folder, entry_counts="copy_entry_counts")
        assert outcome.exit_code == 0, outcome.stderr

    def test_a_bank_that_lost_an_entry_is_another(self, captionlake, folder: Path) -> None:
        outcome = balance(captionlake, folder, entry_counts="shorter_entry_counts")
        assert (outcome.exit_code, "shorter.json (3 entries" in outcome.error) == (3, True)

    @pytest.mark.slow
    def test_so_do_export_and_diff(self, captionlake, folder: Path) -> None:
        pair = ("--matches", folder / "matches", "--entry-counts", folder / "reversed_entry_counts")
        export = ("export-captions", "--captions", folder / "captions", "--output", folder / "e")
        diff = ("diff", folder / "captions", folder / "filtered")
        for command in (export, diff):
            outcome = captionlake(*command, *pair)
            assert (outcome.exit_code, "are of the bank" in outcome.error) == (3, True)


class TestCountsOfUnknownOrigin:
    @pytest.mark.parametrize(
        ("counts", "told"),
        [
            ([1500, 750, 20], "have 3 entries, but the bank"),
            ([1500, 750, 20, 0, 0], "have 5 entries, but the bank"),
            ([1500, 20, 750, 0], "entry_id 1 has entry_count 20, but in the matches"),
            ([1500, 750, 19, 0], "entry_id 2 has entry_count 19"),
        ],
    )
    def test_an_array_that_cannot_be_theirs_is_refused(
        self, captionlake, folder: Path, counts, told
    ) -> None:
        np.save(folder / "counts.npy", np.array(counts))
        outcome = balance(captionlake, folder, entry_counts="counts.npy")
        assert (outcome.exit_code, told in outcome.error) == (3, True), outcome.error

    def test_an_array_of_more_captions_is_taken_and_said(
        self, captionlake, caplog, folder: Path
    ) -> None:
        """Shard by shard, with the counts of all shards, as MetaCLIP is published."""
        np.save(folder / "counts.npy", np.array([3000, 750, 40, 7]))
        outcome = balance(captionlake, folder, entry_counts="counts.npy")
        assert outcome.exit_code == 0, outcome.stderr
        assert "are of more captions than the matches" in caplog.text

    def test_ids_beyond_the_counts_are_named_where_the_bank_is_unknown(
        self, spark, captionlake, folder: Path
    ) -> None:
        rows(spark, folder / "matches").write.format("delta").save(str(folder / "foreign"))
        np.save(folder / "counts.npy", np.array([5000, 5000]))
        outcome = balance(captionlake, folder, matches="foreign", entry_counts="counts.npy")
        assert outcome.exit_code == 3
        assert "entry_id 2 occurs in matches, but there are 2 entries" in outcome.error

    @pytest.mark.slow
    def test_counts_that_another_program_changed_are_checked(
        self, spark, captionlake, folder: Path
    ) -> None:
        spark.sql(f"DELETE FROM delta.`{folder / 'entry_counts'}` WHERE entry_id = 3")
        spark.sql(
            f"UPDATE delta.`{folder / 'entry_counts'}` SET entry_count = 3 WHERE entry_id = 1"
        )
        outcome = balance(captionlake, folder, entry_counts="entry_counts")
        assert (outcome.exit_code, "have 3 entries" in outcome.error) == (3, True)


class TestFilteredCaptions:
    """Every third caption is left after the matching."""

    @pytest.mark.slow
    def test_all_numbers_are_over_the_captions_given(self, spark, captionlake, folder) -> None:
        right = counts_of(spark, folder / "filtered")
        outcome = balance(captionlake, folder, "--probabilities", folder / "p", captions="filtered")
        assert outcome.exit_code == 0, outcome.stderr
        n_filtered = rows(spark, folder / "filtered").count()
        assert outcome.summary["counts"]["rows_in"] == n_filtered
        assert outcome.summary["counts"]["matches_left_out"] == N - n_filtered
        told = {r.entry_id: r for r in rows(spark, folder / "p").collect()}
        kept = counts_of(spark, folder / "out")
        for id_, word in enumerate(WORDS):
            assert (told[id_].entry_count, told[id_].kept_count) == (right[word], kept[word])
        assert abs(kept["dog"] - 100) < 60

    @pytest.mark.slow
    def test_a_wished_number_of_rows_is_met(self, captionlake, folder: Path) -> None:
        outcome = balance(captionlake, folder, "--target-rows", 200, captions="filtered")
        assert abs(outcome.summary["counts"]["kept"] - 200) < 50  # 4 standard deviations

    def test_the_old_counts_are_refused(self, captionlake, stored: Path, folder: Path) -> None:
        outcome = balance(captionlake, folder, captions="filtered", entry_counts="entry_counts")
        assert outcome.exit_code == 3
        assert f"{folder / 'filtered'}" in outcome.error
        assert f"of the captions {stored / 'captions'}" in outcome.error
        assert "leave out entry_counts" in outcome.error

    @pytest.mark.slow
    def test_a_plan_with_captions_is_theirs(self, spark, captionlake, folder: Path) -> None:
        outcome = captionlake(
            "plan-balance", "--matches", folder / "matches", "--captions",
            folder / "filtered", "--ts", "[100000]", "--output", folder / "plan",
        )  # fmt: skip
        (plan,) = rows(spark, folder / "plan").collect()
        matched = rows(spark, folder / "filtered").where("caption not like 'nothing%'").count()
        assert (outcome.exit_code, round(plan.expected_rows)) == (0, matched)

    @pytest.mark.slow
    def test_explain_knows_which_captions_were_balanced(
        self, spark, captionlake, folder: Path
    ) -> None:
        right = counts_of(spark, folder / "filtered")
        balance(captionlake, folder, captions="filtered")
        kept = {row.uid for row in rows(spark, folder / "out").collect()}
        inside = rows(spark, folder / "filtered").where("caption like 'cat _%'").limit(3)
        for row in inside.collect():
            told = captionlake("explain", "--uid", row.uid, "--run", folder).answer
            assert ("kept, since" in told) == (row.uid in kept)
            assert f"{100 / right['cat']:.6f}" in told
        outside = rows(spark, folder / "captions").where("crc32(uid) % 3 = 1").first().uid
        told = captionlake("explain", "--uid", outside, "--run", folder).answer
        assert f"not balanced: it is in the matches {folder / 'matches'}" in told

    def test_carried_matches_filtered_afterwards_have_their_own_counts(
        self, spark, captionlake, folder: Path
    ) -> None:
        match(folder, "captions", to="carried_", carry=True)
        carried = {"captions": "carried_matches", "matches": "carried_matches"}
        whole = balance(captionlake, folder, **carried, entry_counts="entry_counts")
        assert whole.exit_code == 0, whole.stderr
        some = rows(spark, folder / "carried_matches").where("crc32(uid) % 3 = 0")
        some.write.format("delta").save(str(folder / "part"))
        outcome = balance(
            captionlake, folder, captions="part", matches="part", entry_counts="entry_counts"
        )
        assert (outcome.exit_code, "leave out entry_counts" in outcome.error) == (3, True)

    @pytest.mark.slow
    def test_captions_without_matches_are_counted_and_said(
        self, spark, captionlake, caplog, folder: Path
    ) -> None:
        outcome = balance(captionlake, folder, "--decisions", matches="few_matches")
        assert outcome.exit_code == 0, outcome.stderr
        n_few = rows(spark, folder / "filtered").count()
        assert outcome.summary["counts"]["without_matches"] == N - n_few
        assert f"{N - n_few:,} rows of {folder / 'captions'} have none" in caplog.text
        decided = rows(spark, folder / "decisions").groupBy("rule").count().collect()
        assert {r.rule: r["count"] for r in decided}["without_matches"] == N - n_few

    def test_matches_of_none_of_the_captions_are_refused(
        self, spark, captionlake, folder: Path
    ) -> None:
        write(spark, folder, "others", {"uid": ["x1", "x2"], "caption": ["a cat", "a dog"]})
        outcome = balance(captionlake, folder, captions="others")
        assert (outcome.exit_code, "no row has a uid of the captions" in outcome.error) == (3, True)


class TestIds:
    @pytest.mark.parametrize(
        ("ids", "told"),
        [
            ([[0], [-1]], "entry_ids: found -1, expected"),
            ([[0], [1, None]], "entry_ids: a list holds a null"),
            ([[0], [7]], "entry_id 7 occurs in matches, but there are 2 entries"),
        ],
    )
    @pytest.mark.parametrize("has_counts", [True, False])
    def test_an_id_of_no_entry_is_named(
        self, spark, captionlake, tmp_path: Path, ids, told, has_counts
    ) -> None:
        if ids[1] == [7] and not has_counts:
            pytest.skip("the bank is then as long as the largest id says")
        lists = pa.array(ids, pa.list_(pa.int32()))
        table = {"uid": ["a", "b"], "caption": ["x", "y"], "entry_ids": lists}
        write(spark, tmp_path, "matches", table)
        np.save(tmp_path / "counts.npy", np.array([900, 900]))
        counts = {"entry_counts": "counts.npy"} if has_counts else {}
        outcome = balance(captionlake, tmp_path, captions="matches", **counts)
        assert (outcome.exit_code, told in outcome.error) == (3, True), outcome.error

    @pytest.mark.slow
    def test_null_lists_match_nothing(self, spark, captionlake, tmp_path: Path) -> None:
        lists = pa.array([[0], None, [], [0]], pa.list_(pa.int32()))
        table = {"uid": [*"abcd"], "caption": [*"abcd"], "entry_ids": lists}
        write(spark, tmp_path, "matches", table)
        outcome = balance(captionlake, tmp_path, captions="matches")
        assert {row.uid for row in rows(spark, tmp_path / "out").collect()} == {"a", "d"}
        assert outcome.summary["counts"]["kept"] == 2


class TestRepeatedKeys:
    def test_matches_that_are_joined_have_a_row_for_each_key(
        self, spark, captionlake, folder: Path
    ) -> None:
        twice = rows(spark, folder / "matches").where("uid in ('u3', 'u5')")
        twice.write.format("delta").mode("append").save(str(folder / "matches"))
        outcome = balance(captionlake, folder)
        assert (outcome.exit_code, "uid 'u3' is of 2 rows" in outcome.error) == (3, True)

    @pytest.mark.slow
    def test_records_are_told_apart_by_caption_id(self, spark, captionlake, tmp_path) -> None:
        (tmp_path / "bank.json").write_text(json.dumps(WORDS))
        texts = {"uid": ["a", "a", "b"], "caption_id": [0, 1, 0], "caption": ["cat", "dog", "cat"]}
        write(spark, tmp_path, "captions", texts)
        match(tmp_path, "captions")
        outcome = balance(captionlake, tmp_path, entry_counts="entry_counts")
        assert (outcome.exit_code, outcome.summary["counts"]["kept"]) == (0, 3)


class TestDraws:
    """6,000 captions of a cat and a dog: 1,500 by the first bank, about 375 by the second."""

    N, T1, T2 = 6_000, 1_500, 375

    def pairs(self, spark, folder: Path) -> None:
        (folder / "cats.txt").write_text("cat\n")
        (folder / "dogs.txt").write_text("dog\n")
        uids = [f"p{i}" for i in range(self.N)]
        write(spark, folder, "captions", {"uid": uids, "caption": ["a cat and a dog"] * self.N})

    def step(self, captionlake, folder, captions, bank, t, prefix: str, to: str) -> int:
        captionlake(
            "match-concepts", "--captions", f"{prefix}{folder / captions}", "--bank",
            folder / bank, "--carry", "--output", f"{prefix}{folder / f'{to}_matches'}",
        )  # fmt: skip
        carried = f"{prefix}{folder / f'{to}_matches'}"
        outcome = captionlake(
            "balance-captions", "--captions", carried, "--matches", carried, "--t", t,
            "--output", f"{prefix}{folder / to}",
        )  # fmt: skip
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.summary["counts"]["kept"]

    @pytest.mark.parametrize("prefix", ["", "parquet:"])
    @pytest.mark.slow
    def test_a_second_balancing_draws_anew(
        self, spark, captionlake, tmp_path: Path, prefix: str
    ) -> None:
        self.pairs(spark, tmp_path)
        if prefix:
            (tmp_path / "captions").rename(tmp_path / "delta")
            rows(spark, tmp_path / "delta").write.parquet(str(tmp_path / "captions"))
        first = self.step(captionlake, tmp_path, "captions", "cats.txt", self.T1, prefix, "once")
        again = self.step(captionlake, tmp_path, "once", "dogs.txt", self.T2, prefix, "twice")
        assert abs(first - self.T1) < 150
        assert abs(again - self.T2 * first / self.T1) < 70
        reader = spark.read.format("parquet" if prefix else "delta")
        kept = {row.uid for row in reader.load(str(tmp_path / "twice")).collect()}
        once = reader.load(str(tmp_path / "once"))
        second = Draw(f"{BALANCING}#2", 0).of("uid")
        assert kept == {r.uid for r in once.where(second < self.T2 / first).collect()}

    @pytest.mark.slow
    def test_matching_and_balancing_at_once_draws_as_the_stored_steps_do(
        self, spark, captionlake, tmp_path: Path
    ) -> None:
        self.pairs(spark, tmp_path)
        self.step(captionlake, tmp_path, "captions", "cats.txt", self.T1, "", "once")
        self.step(captionlake, tmp_path, "once", "dogs.txt", self.T2, "", "twice")
        outcome = captionlake(
            "match-and-balance", tmp_path / "once", "--bank", tmp_path / "dogs.txt",
            "--t", self.T2, "--output", tmp_path / "at_once",
        )  # fmt: skip
        assert outcome.exit_code == 0, outcome.stderr
        uids = [
            {row.uid for row in rows(spark, tmp_path / name).collect()}
            for name in ("twice", "at_once")
        ]
        assert uids[0] == uids[1]

    @pytest.mark.slow
    def test_explain_and_report_draw_as_the_run_did(
        self, spark, captionlake, tmp_path: Path
    ) -> None:
        self.pairs(spark, tmp_path)
        self.step(captionlake, tmp_path, "captions", "cats.txt", self.T1, "", "once")
        self.step(captionlake, tmp_path, "once", "dogs.txt", self.T2, "", "twice")
        once = [row.uid for row in rows(spark, tmp_path / "once").limit(9).collect()]
        kept = {row.uid for row in rows(spark, tmp_path / "twice").collect()}
        for uid in once:
            told = captionlake("explain", "--uid", uid, "--run", tmp_path).answer
            assert ("kept, since" in told) == (uid in kept)
        outcome = captionlake("report", "--table", tmp_path / "twice")
        assert outcome.exit_code == 0, outcome.stderr
        page = Path(outcome.summary["report"]).read_text()
        assert "draw" in page
        assert "in spite of" not in page

    @pytest.mark.slow
    def test_another_t_and_more_captions_draw_alike(
        self, spark, captionlake, tmp_path: Path
    ) -> None:
        self.pairs(spark, tmp_path)
        few = self.step(captionlake, tmp_path, "captions", "cats.txt", 500, "", "few")
        many = self.step(captionlake, tmp_path, "captions", "cats.txt", self.T1, "", "many")
        uids = [
            {row.uid for row in rows(spark, tmp_path / name).collect()} for name in ("few", "many")
        ]
        assert uids[0] < uids[1]
        assert (len(uids[0]), len(uids[1])) == (few, many)

    @pytest.mark.slow
    def test_a_filter_or_a_compaction_between_changes_nothing(
        self, spark, captionlake, tmp_path: Path
    ) -> None:
        self.pairs(spark, tmp_path)
        first = self.step(captionlake, tmp_path, "captions", "cats.txt", self.T1, "", "once")
        spark.sql(f"OPTIMIZE delta.`{tmp_path / 'once'}`")
        spark.sql(f"DELETE FROM delta.`{tmp_path / 'once'}` WHERE uid = 'none'")
        outcome = captionlake(
            "filter-captions", "--captions", tmp_path / "once",
            "--rules", "[{rule: cat, column: caption, op: '==', value: a cat and a dog}]",
            "--output", tmp_path / "filtered",
        )  # fmt: skip
        assert outcome.exit_code == 0, outcome.stderr
        again = self.step(captionlake, tmp_path, "filtered", "dogs.txt", self.T2, "", "twice")
        assert abs(again - self.T2 * first / self.T1) < 70
