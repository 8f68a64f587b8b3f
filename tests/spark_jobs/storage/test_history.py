"""What the commits of a table make it hold."""

import json
import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_jobs.core import schemas
from spark_jobs.core.addresses import parse_address
from spark_jobs.core.errors import InputDataError, OutputTableError
from spark_jobs.core.made_of import Content, MadeOf, Matching, unused_purpose
from spark_jobs.core.schemas import EMPTY
from spark_jobs.storage import extending, old_versions, table_states, tables
from spark_jobs.storage.history import Commit, read_commits, state_from_commits
from spark_jobs.storage.outputs.folder_marks import write_file_mark, write_mark

BANK = Matching(Content("/bank", "b1"), 3, "metaclip", Content("/captions", "c1"))


def of_run(run_id: str, made_of: MadeOf) -> dict:
    """What a run's commit says, as it comes back from a table."""
    said = {"run_id": run_id, "table": "t", "made_of": made_of.as_json()}
    return json.loads(json.dumps(said))


def held(commits: list[Commit]) -> tuple[str, MadeOf]:
    """The mark and origin of a table, by playing its commits from the oldest on."""
    mark, made_of = "", MadeOf()
    for commit in reversed(commits):
        if commit.operation in ("OPTIMIZE", "VACUUM END", "SET TBLPROPERTIES"):
            continue
        if commit.run_id:
            mark, made_of = f"{commit.run_id}:t", MadeOf.from_json(commit.metadata["made_of"])
        else:
            mark = f"{commit.version}@{commit.time_ms}"
            made_of = MadeOf(draws=made_of.draws)
    return mark, made_of


def test_a_table_holds_what_its_last_change_of_rows_left() -> None:
    draw = random.Random(7)
    kinds = ["WRITE", "DELETE", "MERGE", "OPTIMIZE", "VACUUM END", "SET TBLPROPERTIES"]
    for _ in range(500):
        commits = []
        for version in range(draw.randint(1, 8)):
            operation = "WRITE" if version == 0 else draw.choice(kinds)
            said = {}
            if operation == "WRITE" and draw.random() < 0.7:
                draws = tuple(draw.sample(["balance", "sample-subset", "balance#2"], 2))
                matching = draw.choice([None, BANK])
                said = of_run(f"r{version}", MadeOf(draws, matching, draw.random() < 0.5))
            commits.insert(0, Commit(version, operation, 1000 + version, {}, said))
        state = state_from_commits(commits, lambda: "no use")
        assert (state.mark, state.made_of) == held(commits)
        assert state.version == f"delta:{commits[0].version}:{state.mark}"


def test_what_a_commit_says_is_read_back() -> None:
    for made_of in (MadeOf(), MadeOf(("balance",), BANK, True)):
        assert MadeOf.from_json(json.loads(json.dumps(made_of.as_json()))) == made_of
    assert MadeOf.from_json({"draws": 3}) == MadeOf.from_json(None) == MadeOf()


def test_contents_are_the_same_wherever_they_stand() -> None:
    assert Content("/a", "m") == Content("/b", "m") != Content("/a", "n")


def test_a_purpose_is_used_once() -> None:
    assert unused_purpose("balance", ()) == "balance"
    assert unused_purpose("balance", ("sample-subset", "balance")) == "balance#2"
    assert unused_purpose("balance", ("balance#2", "balance")) == "balance#3"


def commit(run_id: str, **made_of) -> dict:
    said = {"job": "j", "settings_sha": "s", "table": "t"}
    return said | {"run_id": run_id, "made_of": MadeOf(**made_of).as_json()}


@pytest.mark.parametrize("prefix", ["", "parquet:"])
def test_a_table_says_what_it_was_made_of(spark: SparkSession, tmp_path: Path, prefix: str) -> None:
    address = f"{prefix}{tmp_path / 't'}"
    rows = spark.range(5).selectExpr("cast(id as string) uid", "'a cat' caption")
    for draws in (("balance",), ("balance", "balance#2")):
        tables.write_table(rows, address, commit("r1", draws=draws, matching=BANK))
        state = table_states.table_state(spark, address)
        assert state.made_of == MadeOf(draws, BANK)
        assert state.mark == "r1:t"
    read = tables.read_table(spark, address, schemas.CAPTIONS, version=state.version)
    assert read.count() == 5


def test_compaction_keeps_the_rows_and_a_deletion_does_not(spark, tmp_path: Path) -> None:
    address = str(tmp_path / "t")
    rows = spark.range(50).selectExpr("cast(id as string) uid", "'a cat' caption")
    for run_id in ("r0", "r1"):
        tables.write_table(rows.repartition(4), address, commit(run_id, draws=("balance",)))
    before = table_states.table_state(spark, address)
    spark.sql(f"OPTIMIZE delta.`{address}`")
    spark.sql(f"ALTER TABLE delta.`{address}` SET TBLPROPERTIES ('a' = 'b')")
    after = table_states.table_state(spark, address)
    assert (after.mark, after.made_of) == (before.mark, before.made_of)
    assert after.version != before.version
    assert table_states.has_same_rows(before.version, after.version)
    assert tables.last_run_id(spark, address) == "r1"
    spark.sql(f"DELETE FROM delta.`{address}` WHERE uid = '7'")
    deleted = table_states.table_state(spark, address)
    assert (deleted.mark != before.mark, deleted.made_of) == (True, MadeOf(draws=("balance",)))
    assert not table_states.has_same_rows(before.version, deleted.version)
    assert tables.last_run_id(spark, address) is None


@pytest.mark.slow
def test_a_recorded_version_is_read_after_compaction_and_vacuum(spark, tmp_path: Path) -> None:
    address = str(tmp_path / "t")
    rows = spark.range(50).selectExpr("cast(id as string) uid", "'a cat' caption")
    for run_id, n in (("r0", 50), ("r1", 20)):
        tables.write_table(rows.limit(n).repartition(4), address, commit(run_id))
        recorded = table_states.input_version(spark, address)
        spark.sql(f"OPTIMIZE delta.`{address}`")
        no_wait = "'delta.deletedFileRetentionDuration' = 'interval 0 seconds'"
        spark.sql(f"ALTER TABLE delta.`{address}` SET TBLPROPERTIES ({no_wait})")
        spark.sql(f"VACUUM delta.`{address}` RETAIN 0 HOURS")
        assert len([*Path(address).glob("*.parquet")]) == 1
        assert old_versions.read_recorded_version(spark, address, EMPTY, recorded).count() == n
    other = recorded.replace("r1", "r9")
    assert old_versions.same_rows_version(spark, address, other) is None


def test_parts_of_a_run_are_told_apart(spark: SparkSession, tmp_path: Path) -> None:
    address = str(tmp_path / "t")
    rows = spark.range(5).selectExpr("cast(id as string) uid", "'a cat' caption")
    marks = []
    for run_id in ("x.part", "x.part", "x"):
        extending.commit_part(rows, address, commit(run_id), extending.append_point(spark, address))
        marks.append(read_commits(spark, parse_address(address))[0].mark)
        if run_id.endswith(".part"):
            with pytest.raises(InputDataError, match="its last write never ended"):
                table_states.table_state(spark, address)
    assert len(set(marks)) == 3
    assert table_states.table_state(spark, address).mark == marks[2] == "x:t"


def lose_log(table: Path, before: int) -> None:
    """What Delta does to commits older than its log is kept; a checkpoint stands at `before`."""
    for file in (table / "_delta_log").glob("*.json"):
        if int(file.stem) < before:
            file.unlink()
    for file in (table / "_delta_log").glob(".*.json.crc"):
        file.unlink()


def test_our_tables_keep_their_log(spark: SparkSession, tmp_path: Path) -> None:
    address = str(tmp_path / "t")
    rows = spark.range(5).selectExpr("cast(id as string) uid", "'a cat' caption")
    tables.write_table(rows, address, commit("r1", draws=("balance",)))
    row = spark.sql(f"DESCRIBE DETAIL delta.`{address}`").first()
    assert row.properties["delta.logRetentionDuration"] == "interval 36500 days"


@pytest.mark.slow
def test_where_the_log_has_lost_the_change_the_rows_are_the_mark(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = tmp_path / "t"
    rows = spark.range(50).selectExpr("cast(id as string) uid", "map('a', id) m").repartition(4)
    writer = rows.write.format("delta").option("delta.checkpointInterval", "1")
    writer.save(str(table))
    spark.sql(f"OPTIMIZE delta.`{table}`")
    marks = []
    for n in (1, 2):
        spark.sql(f"ALTER TABLE delta.`{table}` SET TBLPROPERTIES ('a' = '{n}')")
        lose_log(table, n)
        marks.append(table_states.table_state(spark, str(table)).mark)
    assert marks[0] == marks[1]
    assert "t: its log begins at version 2" in caplog.text
    spark.sql(f"UPDATE delta.`{table}` SET uid = '70' WHERE uid = '7'")
    spark.sql(f"OPTIMIZE delta.`{table}`")
    spark.sql(f"ALTER TABLE delta.`{table}` SET TBLPROPERTIES ('a' = '3')")
    lose_log(table, read_commits(spark, tables.parse_address(str(table)))[0].version)
    assert table_states.table_state(spark, str(table)).mark not in marks


@pytest.mark.parametrize(
    "read", ["", "/*.json", "/c_0.json", "/in", "/in/d_0.json", "/{c,x}_0.json"]
)
def test_files_of_a_marked_folder_keep_its_draws(spark, tmp_path: Path, read: str) -> None:
    for name in ("exp/c_0.json", "exp/c_1.json", "exp/in/d_0.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("[]")
    exp = tmp_path / "exp"
    write_mark(str(exp), commit("r1", draws=("balance",), matching=BANK))
    state = table_states.table_state(spark, f"{exp}{read}")
    whole = MadeOf(("balance",), BANK)
    assert state.made_of == (MadeOf(draws=("balance",)) if read else whole)
    assert (state.mark == "r1:t") == (not read)


def test_draws_of_all_marked_folders_below(spark: SparkSession, tmp_path: Path) -> None:
    for name, draws in (("a", ("balance",)), ("b", ("balance", "sample-subset"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "c.json").write_text("[]")
        write_mark(str(tmp_path / name), commit("r1", draws=draws))
    for read in ("", "/*/c.json"):
        state = table_states.table_state(spark, f"{tmp_path}{read}")
        assert state.made_of == MadeOf(draws=("balance", "sample-subset"))


def test_a_file_has_a_mark_of_its_own(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "labels.tsv"
    for name in ("labels.tsv", "other.tsv"):
        (tmp_path / name).write_text("filepath\n")
    write_file_mark(str(file), commit("r1", draws=("sample-subset",)))
    for read, draws in (("labels.tsv", 1), ("*.tsv", 1), (".", 1), ("other.tsv", 0)):
        state = table_states.table_state(spark, f"{tmp_path / read}")
        assert state.made_of == MadeOf(draws=("sample-subset",)[:draws])
    write_file_mark(str(file), commit("r2"))
    assert table_states.table_state(spark, str(file)).made_of == MadeOf()


@pytest.mark.parametrize("foreign", ["letter.txt", "in/letter.txt", "part-0.parquet", "t"])
@pytest.mark.parametrize("is_marked", [False, True])
def test_a_parquet_output_spares_what_others_wrote(spark, tmp_path, foreign, is_marked) -> None:
    folder = tmp_path / "t"
    rows = spark.range(5).selectExpr("cast(id as string) uid", "'a cat' caption")
    if is_marked and foreign != "t":
        tables.write_table(rows, f"parquet:{folder}", commit("r1"))
    letter = folder / foreign if foreign != "t" else folder
    letter.parent.mkdir(parents=True, exist_ok=True)
    letter.write_text("dear")
    for write in (
        lambda: tables.check_output(spark, f"parquet:{folder}", rows.schema),
        lambda: tables.write_table(rows, f"parquet:{folder}", commit("r2")),
    ):
        with pytest.raises(OutputTableError, match=rf"such as {foreign},|/{foreign} is a file"):
            write()
    assert letter.read_text() == "dear"


def test_a_parquet_output_spares_hidden_files(spark, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git/x").write_text("dear")
    for n in (5, 3):
        rows = spark.range(n).selectExpr("cast(id as string) uid", "'a cat' caption")
        assert tables.write_table(rows, f"parquet:{folder}", commit(f"r{n}")).rows == n
    assert (folder / ".git/x").read_text() == "dear"


def test_a_parquet_folder_whose_files_changed_keeps_only_its_draws(spark, tmp_path: Path) -> None:
    address = f"parquet:{tmp_path / 't'}"
    rows = spark.range(50).selectExpr("cast(id as string) uid", "'a cat' caption").repartition(2)
    tables.write_table(rows, address, commit("r1", draws=("balance",), matching=BANK))
    next((tmp_path / "t").glob("*.parquet")).unlink()
    state = table_states.table_state(spark, address)
    assert state.made_of == MadeOf(draws=("balance",))
    assert state.mark == state.version


def test_an_empty_table_is_written_again_by_each_run(spark, tmp_path: Path) -> None:
    address = str(tmp_path / "t")
    rows = spark.range(0).selectExpr("cast(id as string) uid", "'a cat' caption")
    for number in range(3):
        written = tables.write_table(rows, address, commit(f"r{number}"))
        assert (written.rows, written.version) == (0, f"delta:{number}:r{number}:t")
        assert tables.last_run_id(spark, address) == f"r{number}"


def test_a_table_deleted_and_written_again_is_another(spark, tmp_path: Path) -> None:
    address = str(tmp_path / "t")
    marks = []
    for run_id in ("r1", "r2"):
        rows = spark.range(5).selectExpr("cast(id as string) uid", "'a cat' caption")
        written = tables.write_table(rows, address, commit(run_id))
        assert written.version == table_states.input_version(spark, address)
        marks.append(written.version)
        for file in sorted((tmp_path / "t").rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        (tmp_path / "t").rmdir()
    assert marks == ["delta:0:r1:t", "delta:0:r2:t"]
