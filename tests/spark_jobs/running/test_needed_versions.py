"""Which versions of tables the newest runs need, with all that these go back to."""

from datetime import UTC, datetime
from pathlib import Path

from spark_jobs.core.addresses import place_of_address
from spark_jobs.core.run_records import RunRecord, runs_behind
from spark_jobs.running.needed_versions import needed_versions, output_locations


def run(number: int, inputs: dict[str, int], output: str) -> RunRecord:
    """A run that read versions of inputs, and wrote the version `number` of its output."""
    return RunRecord(
        run_id=f"r{number}",
        job="j",
        settings={},
        inputs={address: f"delta:{version}:m" for address, version in inputs.items()},
        outputs={"output": output},
        counts={},
        code="",
        started=datetime(2026, 1, number, tzinfo=UTC),
        seconds=1.0,
        written={output: f"delta:{number}:r{number}"},
    )


# Captions were ingested three times; matches are of the second, kept ones of the first matches.
RUNS = [
    run(1, {"/files": 0}, "/captions"),
    run(2, {"/captions": 1}, "/matches"),
    run(3, {"/matches": 2}, "/kept"),
    run(4, {"/files": 0}, "/captions"),
    run(5, {"/captions": 4}, "/matches"),
    run(6, {"/files": 0}, "/captions"),
]


def test_what_the_newest_runs_go_back_to_is_needed() -> None:
    needed = needed_versions(RUNS, keep_runs=1)
    assert needed["/kept"] == {"delta:3:r3"}
    assert needed["/matches"] == {"delta:2:r2", "delta:2:m", "delta:5:r5"}
    assert needed["/captions"] == {
        *("delta:1:r1", "delta:1:m", "delta:4:r4", "delta:4:m", "delta:6:r6"),
    }


def test_without_the_run_that_goes_back_old_versions_are_not_needed() -> None:
    without_kept = [run for run in RUNS if run.outputs["output"] != "/kept"]
    needed = needed_versions(without_kept, keep_runs=1)
    assert needed["/matches"] == {"delta:5:r5"}
    assert "delta:1:r1" not in needed["/captions"]
    assert needed_versions(without_kept, keep_runs=2)["/matches"] >= {"delta:2:r2"}


def test_outputs_are_listed_once() -> None:
    assert output_locations(RUNS) == ["/captions", "/matches", "/kept"]


def test_other_spellings_of_a_place_are_that_place(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "table")
    spellings = [
        (f"{tmp_path}/table", f"file:{tmp_path}/link"),
        ("s3://b/t", "s3a://b/t"),
        ("dbfs:/Volumes/a/b/c/t", "/Volumes/a/b/c/t"),
        ("spark_catalog.lake.t", "lake.T"),
        ("`my-lake`.raw.t", "`my-lake`.`raw`.t"),
    ]
    for written, read in spellings:
        runs = [run(1, {"/files": 0}, written), run(2, {read: 1}, "/kept")]
        assert runs_behind(runs, ["/kept"]) == runs
        needed = needed_versions(runs, keep_runs=1)
        assert needed[place_of_address(written)] == {"delta:1:r1", "delta:1:m"}
