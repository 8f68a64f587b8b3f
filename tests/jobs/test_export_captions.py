"""Every export of export-captions, read back whole."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from pyspark.sql import SparkSession

from spark_jobs.jobs import export_captions
from tests.delta_tables import read_delta

ODD = [
    *('a "quoted" cat', "back\\slash \\n \\u0041", "line\nfeed", "carriage\rreturn\r\nboth"),
    *("tab\there", "nul\x00inside", "bell\x07", "\ufeffmark first", "line\u2028paragraph\u2029"),
    *("emoji 🐈\u200d⬛ 👩🏽\u200d🚀", "שלום عربي \u202ertl", "e\u0301 and é", "漢字 한국어"),
    *("\u0085next", "\ufffd", "", " ", "  spaces  ", "null", "[]", "{}", '["a", [1]]', "NaN"),
    *("-1", "=1+1", "a,b;c", "x" * 300_000),
]  # fmt: skip


@pytest.fixture
def odd(spark: SparkSession, tmp_path: Path) -> Path:
    """Odd captions with their entries, each from two urls, as one table; and entry counts."""
    rows = [
        (f"{copy}-{k:04}", caption, [] if k % 3 == 0 else sorted({k, 2 * k % 40}))
        for copy in ("a", "b")
        for k, caption in enumerate([*ODD, *(f"caption {n}" for n in range(200))])
    ]
    frame = spark.createDataFrame(rows, "uid string, caption string, entry_ids array<int>")
    frame.write.format("delta").save(str(tmp_path / "both"))
    counts = [
        sum(i in ids for _, _, ids in rows)
        for i in range(max(map(max, filter(None, (r[2] for r in rows)))) + 1)
    ]
    entries = [(i, f"e{i}", None, n) for i, n in enumerate(counts)]
    columns = "entry_id int, entry string, lang string, entry_count long"
    spark.createDataFrame(entries, columns).write.format("delta").save(str(tmp_path / "counts"))
    return tmp_path


def items_of(folder: Path) -> list:
    return [item for file in sorted(folder.glob("*.json")) for item in json.loads(file.read_text())]


def rows_of(spark: SparkSession, address: Path) -> list:
    return read_delta(spark, address).collect()


def by_caption(item: list) -> tuple:
    return (item[0], item[1])


def test_captions_come_back_byte_for_byte(captionlake, spark, odd: Path) -> None:
    captions = [row.caption for row in rows_of(spark, odd / "both")]
    export = captionlake(
        *("export-captions", "--captions", odd / "both", "--output", odd / "files"),
        *("--rows-per-file", 200),
    )
    n_files = len(list((odd / "files").glob("captions_*.json")))
    n = len(captions)
    assert export.summary["counts"] == {"rows_in": n, "rows": n, "files": n_files}
    assert n_files > 2
    assert sorted(items_of(odd / "files")) == sorted(captions)
    ingest = captionlake(
        *("ingest-captions", "--preset", "synthclip", "--input", odd / "files"),
        *("--output", odd / "again"),
    )
    assert ingest.exit_code == 0, ingest.stderr
    told = ingest.summary["counts"]
    assert (told["rows_in"], told["kept"], told["duplicate_uid"]) == (n, n // 2, n // 2)
    assert sorted(row.caption for row in rows_of(spark, odd / "again")) == sorted(set(captions))


@pytest.mark.slow
def test_matches_and_counts_come_back(captionlake, spark, odd: Path) -> None:
    """The folder as it is, entry_count.npy in it, goes in again and is balanced to the same."""
    export = captionlake(
        *("export-captions", "--captions", odd / "both", "--matches", odd / "both"),
        *("--entry-counts", odd / "counts", "--output", odd / "files"),
    )
    rows = rows_of(spark, odd / "both")
    assert export.summary["counts"] == {
        **{"rows_in": len(rows), "rows": len(rows), "files": 1, "without_matches": 0}
    }
    exported = sorted(items_of(odd / "files"), key=by_caption)
    assert exported == sorted(([r.caption, r.entry_ids] for r in rows), key=by_caption)
    counts = [row.entry_count for row in sorted(rows_of(spark, odd / "counts"))]
    handed_on = np.load(odd / "files/entry_count.npy")
    assert (handed_on.dtype, handed_on.tolist()) == (np.uint64, counts)

    again = odd / "again"
    ingest = captionlake(
        *("ingest-captions", "--preset", "synthclip_matches", "--input", odd / "files"),
        *("--output", again),
    )
    assert ingest.exit_code == 0, ingest.stderr
    wanted = {row.caption: row.entry_ids for row in rows}
    assert {row.caption: row.entry_ids for row in rows_of(spark, again)} == wanted
    kept = []
    for address in (odd / "files/entry_count.npy", odd / "counts"):
        balanced = captionlake(
            *("balance-captions", "--captions", again, "--matches", again, "--t", 3),
            *("--entry-counts", address, "--output", odd / f"balanced-{address.name}"),
        )
        assert balanced.exit_code == 0, balanced.stderr
        kept.append(sorted(row.uid for row in rows_of(spark, odd / f"balanced-{address.name}")))
    assert kept[0] == kept[1]
    assert 0 < len(kept[0]) < len(wanted)


def test_npy_of_counts_gives_the_same_rows_as_the_table(captionlake, spark, odd: Path) -> None:
    counts = [row.entry_count for row in sorted(rows_of(spark, odd / "counts"))]
    (odd / "entry_count.npy").write_bytes(export_captions.npy(np.array(counts, np.uint64)))
    kept = []
    for name in ("entry_count.npy", "counts"):
        outcome = captionlake(
            *("balance-captions", "--captions", odd / "both", "--matches", odd / "both"),
            *("--entry-counts", odd / name, "--t", 3, "--output", odd / f"balanced-{name}"),
        )
        assert outcome.exit_code == 0, outcome.stderr
        kept.append(sorted(row.uid for row in rows_of(spark, odd / f"balanced-{name}")))
    assert kept[0] == kept[1]


def test_matches_that_double_or_lack_captions(captionlake, spark, tmp_path: Path) -> None:
    captions = spark.createDataFrame(
        [("a", None, "one"), ("b", 0, "two"), ("b", 1, "three")],
        "uid string, caption_id int, caption string",
    )
    captions.write.format("delta").save(str(tmp_path / "captions"))
    columns = "uid string, caption_id int, entry_ids array<int>"
    matches = spark.createDataFrame([("a", None, [1]), ("b", 0, [2])], columns)
    matches.write.format("delta").save(str(tmp_path / "matches"))
    arguments = ("export-captions", "--captions", tmp_path / "captions", "--output", tmp_path / "x")
    outcome = captionlake(*arguments, "--matches", tmp_path / "matches")
    assert outcome.summary["counts"]["without_matches"] == 1
    exported = sorted(items_of(tmp_path / "x"))
    assert exported == [["one", [1]], ["three", []], ["two", [2]]]
    matches.union(matches).write.format("delta").save(str(tmp_path / "twice"))
    outcome = captionlake(*arguments, "--matches", tmp_path / "twice")
    assert outcome.exit_code == 3
    assert "3 rows, but 5 came with their matches" in outcome.error
    assert sorted(items_of(tmp_path / "x")) == exported
    matches.drop("caption_id").write.format("delta").save(str(tmp_path / "by_uid"))
    outcome = captionlake(*arguments, "--matches", tmp_path / "by_uid")
    assert "by_uid has no column 'caption_id'" in outcome.error


RECIPE = {
    "summary": "An export and a parquet folder.",
    "variables": {"input": None, "output": None},
    "steps": {
        "captions": {"job": "ingest-captions", "input": "${input}"},
        "unique": {"job": "dedup-captions", "captions": "captions", "output": "parquet:unique"},
        "files": {"job": "export-captions", "captions": "captions"},
    },
}


UP, WOULD, DONE = "up_to_date", "would_run", "done"
Statuses = Callable[..., tuple[list[str], str]]


@pytest.fixture
def statuses(captionlake, tmp_path: Path) -> Statuses:
    """Run the recipe with more arguments: the status of each step, and what people read."""
    (tmp_path / "in.txt").write_text("a cat\na dog\n")
    (tmp_path / "recipe.yml").write_text(yaml.safe_dump(RECIPE, sort_keys=False))
    command = ["run", tmp_path / "recipe.yml", "--set", f"input={tmp_path / 'in.txt'}"]
    command += ["--set", f"output={tmp_path / 'out'}"]

    def run(*more: object) -> tuple[list[str], str]:
        outcome = captionlake(*command, *more)
        assert outcome.exit_code == 0, outcome.stderr
        return [step["status"] for step in outcome.summary["steps"]], outcome.stderr

    return run


@pytest.mark.slow
def test_steps_that_write_folders_run_once(statuses: Statuses, tmp_path: Path) -> None:
    folder = tmp_path / "out/files"
    assert statuses()[0] == [DONE] * 3
    assert statuses("--dry-run")[0] == [UP] * 3
    (folder / "captions_00000.json").write_text("[]")
    told, lines = statuses("--dry-run")
    assert told == [UP, UP, WOULD]
    assert f"the files in {folder} are not those that a run wrote" in lines
    (folder / "captions_00000.json").unlink()
    told, lines = statuses("--dry-run")
    assert told == [UP, UP, WOULD]
    assert f"{folder} is not there" in lines
    assert statuses()[0] == [UP, UP, DONE]
    assert sorted(items_of(folder)) == ["a cat", "a dog"]


@pytest.mark.slow
def test_folders_that_changed_are_written_again(statuses: Statuses, tmp_path: Path) -> None:
    folder = tmp_path / "out/files"
    assert statuses()[0] == [DONE] * 3
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert statuses()[0] == [UP, UP, DONE]
    mark = json.loads((folder / "_captionlake").read_text())
    (folder / "_captionlake").unlink()  # as a run leaves it that died while it moved files
    journal = {"staging": ".writing-0", "new": ["lost.json"], "files": [*mark["files"]]}
    (folder / ".captionlake.json").write_text(json.dumps(journal | {"commit": mark}))
    assert statuses()[0] == [UP, UP, DONE]
    assert sorted(file.name for file in folder.iterdir()) == ["_captionlake", *mark["files"]]
    parquet = tmp_path / "out/unique"
    next(parquet.glob("part-*.parquet")).unlink()
    assert statuses("--dry-run")[0][:2] == [UP, WOULD]
    assert statuses()[0][:2] == [UP, DONE]
    assert statuses()[0] == [UP] * 3
