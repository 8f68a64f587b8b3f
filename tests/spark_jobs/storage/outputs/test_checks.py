"""What may be replaced: each kind of output in the place of each kind of thing."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark_jobs.core.errors import OutputTableError
from spark_jobs.core.settings import OutputAddress, OutputFile, OutputFolder, Settings
from spark_jobs.storage import table_states, tables
from spark_jobs.storage.outputs.checks import check_all_outputs
from spark_jobs.storage.outputs.files import write_output_file
from spark_jobs.storage.outputs.folder_swap import replaced_folder
from spark_jobs.storage.outputs.folders import write_file

COMMIT = {"run_id": "r1", "job": "j", "settings_sha": "s"}
LAKE = "outputs_lake"
NAME = f"{LAKE}.t"


class Outputs(Settings):
    """A setting for each kind of output."""

    output: OutputAddress | None = None
    folder: OutputFolder | None = None
    file: OutputFile | None = None


@pytest.fixture
def place(spark: SparkSession, tmp_path: Path) -> Iterator[Path]:
    """The path under test, beside an empty schema of the catalog."""
    spark.sql(f"CREATE SCHEMA {LAKE}")
    yield tmp_path / "t"
    spark.sql(f"DROP SCHEMA {LAKE} CASCADE")


def rows(spark: SparkSession, n: int = 2):
    return spark.range(n).selectExpr("cast(id as string) uid")


def export(folder: object, content: str = "ours") -> None:
    with replaced_folder(str(folder), COMMIT) as staging:
        write_file(f"{staging}/a.json", content.encode())


def delta(spark: SparkSession, n: int = 2) -> Callable[[Path], None]:
    return lambda place: rows(spark, n).write.format("delta").save(str(place))


def others_files(place: Path) -> None:
    (place / "part").mkdir(parents=True)
    (place / "thesis.tex").write_text("years")
    (place / "part/empty.tex").write_text("")


def one_file(place: Path) -> None:
    place.write_text("years")


def stands(spark: SparkSession, thing: str, place: Path) -> None:
    """Put a thing in a place."""
    ours = {"uid": rows(spark)}["uid"]
    makers: dict[str, Callable[[Path], object]] = {
        "nothing": lambda _: None,
        "empty folder": Path.mkdir,
        "our delta": lambda p: tables.write_table(ours, str(p), COMMIT),
        "our parquet": lambda p: tables.write_table(ours, f"parquet:{p}", COMMIT),
        "our export": export,
        "our file": lambda p: write_output_file(str(p), [b"ours"]),
        "delta of others": delta(spark),
        "empty delta of others": delta(spark, 0),
        "parquet of others": lambda p: rows(spark).write.parquet(str(p)),
        "csv of others": lambda p: rows(spark).write.csv(str(p)),
        "files": others_files,
        "a file": one_file,
    }
    makers[thing](place)


def write(spark: SparkSession, kind: str, place: Path) -> None:
    """The question, then the write without a question asked before."""
    address = {"parquet": f"parquet:{place}"}.get(kind, str(place))
    setting = {"export": "folder", "file": "file"}.get(kind, "output")
    check_all_outputs(spark, Outputs(**{setting: address}, workspace=str(place.parent / "ws")))


def write_unasked(spark: SparkSession, kind: str, place: Path) -> None:
    if kind == "export":
        export(place, "new")
    elif kind == "file":
        write_output_file(str(place), [b"new"])
    else:
        address = f"parquet:{place}" if kind == "parquet" else str(place)
        tables.write_table(rows(spark, 3), address, COMMIT | {"run_id": "r2"})


def tree(place: Path) -> dict[str, str]:
    """Path below the parent -> digest of each file, but for checksums."""
    return {
        str(f.relative_to(place.parent)): sha256(f.read_bytes()).hexdigest()
        for f in sorted(place.parent.rglob("*"))
        if f.is_file() and not f.name.endswith(".crc")
    }


THINGS = (
    *("nothing", "empty folder", "our delta", "our parquet", "our export", "our file"),
    *("delta of others", "empty delta of others", "parquet of others", "csv of others"),
    *("files", "a file"),
)
TAKEN = {
    "delta": {"nothing", "empty folder", "our delta", "empty delta of others"},
    "parquet": {"nothing", "empty folder", "our parquet", "our export"},
    "export": {"nothing", "empty folder", "our parquet", "our export"},
    "file": {"nothing", "our file"},
}


@pytest.mark.parametrize("thing", THINGS)
def test_only_what_is_ours_is_replaced(spark: SparkSession, place: Path, thing: str) -> None:
    for kind, taken in TAKEN.items():
        here = place.parent / kind / "t"
        here.parent.mkdir()
        stands(spark, thing, here)
        before = tree(here)
        if thing in taken:
            write(spark, kind, here)
            write_unasked(spark, kind, here)
            assert tree(here) != before
            continue
        with pytest.raises(OutputTableError, match=f"output .*{here}"):
            write(spark, kind, here)
        if (kind, thing) != ("delta", "delta of others"):  # asked for before a job alone
            with pytest.raises(OutputTableError, match=f"output .*{here}"):
                write_unasked(spark, kind, here)
        assert tree(here) == before


@pytest.mark.parametrize(
    ("statement", "is_taken"),
    [
        (None, True),
        (f"CREATE TABLE {NAME} USING parquet AS SELECT 'years' precious", False),
        (f"CREATE TABLE {NAME} USING csv AS SELECT 'years' precious", False),
        (f"CREATE VIEW {NAME} AS SELECT 'years' precious", False),
        (f"CREATE TABLE {NAME} USING delta AS SELECT 'years' precious", False),
        (f"CREATE TABLE {NAME} (uid string) USING delta", True),
        ("ours", True),
        ("ours, made anew by others", False),
    ],
)
def test_a_name_in_the_catalog(
    spark: SparkSession, place: Path, statement: str | None, is_taken: bool
) -> None:
    if statement is not None and statement.startswith("ours"):
        tables.write_table(rows(spark), NAME, COMMIT)
        if statement != "ours":
            spark.sql(f"CREATE OR REPLACE TABLE {NAME} USING delta AS SELECT 'years' precious")
    elif statement is not None:
        spark.sql(statement)
    settings = Outputs(output=NAME, workspace=str(place))
    if is_taken:
        check_all_outputs(spark, settings)
        assert tables.write_table(rows(spark, 3), NAME, COMMIT | {"run_id": "r2"}).rows == 3
        return
    with pytest.raises(OutputTableError, match=f"output {NAME}"):
        check_all_outputs(spark, settings)
    with pytest.raises(OutputTableError, match=f"output {NAME}"):
        tables.write_table(rows(spark), NAME, COMMIT)
    assert [row[0] for row in spark.table(NAME).select("precious").collect()] == ["years"]


def test_runs_are_added_to_no_table_of_others(spark: SparkSession, place: Path) -> None:
    workspace = place.parent
    spark.range(1).write.format("delta").save(str(workspace / "rejected"))
    settings = Outputs(output=str(place), workspace=str(workspace))
    with pytest.raises(OutputTableError, match=r"rejected is a table without run_id"):
        check_all_outputs(spark, settings)
    others_files(workspace / "runs")
    with pytest.raises(OutputTableError, match=r"runs holds files that are no Delta table"):
        check_all_outputs(spark, settings)


def test_files_beside_a_log_without_a_version_are_taken_for_others(
    spark: SparkSession, place: Path
) -> None:
    """A first write that died leaves data files alone."""
    (place / "_delta_log").mkdir(parents=True)
    (place / "part-00000-x.snappy.parquet").write_text("x")
    write(spark, "delta", place)
    (place / "thesis.tex").write_text("years")
    with pytest.raises(OutputTableError, match=r"such as thesis\.tex"):
        write(spark, "delta", place)


def test_a_parquet_output_is_no_input_while_its_files_move(
    spark: SparkSession, place: Path
) -> None:
    tables.write_table(rows(spark), f"parquet:{place}", COMMIT)
    journal = '{"staging": ".writing-0", "new": ["x"], "files": ["x"], "commit": {}}'
    (place / ".captionlake.json").write_text(journal)
    with pytest.raises(tables.InputDataError, match="its last write never ended"):
        table_states.input_version(spark, str(place))
