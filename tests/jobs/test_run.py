"""run: a recipe's steps in order, each unless it is up to date."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import SparkSession

from spark_jobs.core.errors import OutputTableError
from tests.delta_tables import read_delta
from tests.failing_writes import failing_writes

RECIPE = {
    "summary": "Two values of t from the same matches.",
    "variables": {"input": None, "output": None, "t": 5},
    "steps": {
        "captions": {"job": "ingest-captions", "input": "${input}"},
        "bank": {"job": "build-concept-bank", "sources": ["lines:${input}.txt"]},
        "matches": {
            "job": "match-concepts",
            "captions": "captions",
            "bank": "bank",
            "entry_counts": "entry_counts",
        },
        "few": {
            "job": "balance-captions",
            "captions": "captions",
            "matches": "matches",
            "t": "${t}",
        },
        "many": {"job": "balance-captions", "captions": "captions", "matches": "matches", "t": 50},
    },
}


@pytest.fixture
def given(tmp_path: Path) -> list[object]:
    """The arguments that run the recipe on 100 cats and 10 dogs."""
    captions = [f"a cat {i}" for i in range(100)] + [f"a dog {i}" for i in range(10)]
    uids = [f"u{i}" for i in range(110)]
    pq.write_table(pa.table({"uid": uids, "caption": captions}), tmp_path / "in.parquet")
    (tmp_path / "in.parquet.txt").write_text("cat\ndog\n")
    (tmp_path / "recipe.yml").write_text(yaml.safe_dump(RECIPE, sort_keys=False))
    return [
        *("run", tmp_path / "recipe.yml", "--set", f"input={tmp_path / 'in.parquet'}"),
        *("--set", f"output={tmp_path / 'out'}"),
    ]


def statuses(outcome) -> dict[str, str]:
    assert outcome.exit_code == 0, outcome.stderr
    return {step["name"]: step["status"] for step in outcome.summary["steps"]}


ALL = ["captions", "bank", "matches", "few", "many"]


@pytest.mark.slow
def test_a_failed_run_goes_on_and_then_only_what_changed_runs_again(
    captionlake, spark: SparkSession, given, tmp_path
) -> None:
    told = captionlake(*given, "--dry-run")
    assert statuses(told) == dict.fromkeys(ALL, "would_run")
    assert "[1/5] captions (ingest-captions): would run: first run" in told.stderr
    assert "[3/5] matches (match-concepts): would run: after captions, bank" in told.stderr
    assert told.summary["status"] == "would_run"
    assert not (tmp_path / "out").exists()

    def full(address: str) -> OutputTableError | None:
        return OutputTableError("the disk is full") if address.endswith("/matches") else None

    with failing_writes(full):
        failed = captionlake(*given)
    assert failed.exit_code == 3
    assert failed.error == "error: step matches: the disk is full"
    assert "[1/5] captions (ingest-captions): done in" in failed.stderr
    rest = captionlake(*given)
    assert statuses(rest) == {
        **dict.fromkeys(["captions", "bank"], "up_to_date"),
        **dict.fromkeys(["matches", "few", "many"], "done"),
    }
    assert rest.summary["counts"]["many"]["rows_in"] == 110
    balanced = read_delta(spark, tmp_path / "out/few")
    assert 0 < balanced.count() < read_delta(spark, tmp_path / "out/many").count()

    assert statuses(captionlake(*given)) == dict.fromkeys(ALL, "up_to_date")

    changed = captionlake(*given, "--set", "t=8", "--set", "many.seed=3", "--dry-run")
    assert statuses(changed) == dict.fromkeys(ALL[:3], "up_to_date") | {
        "few": "would_run",
        "many": "would_run",
    }
    assert "would run: setting t: 5 -> 8" in changed.stderr
    assert "would run: setting seed: 0 -> 3" in changed.stderr

    file = tmp_path / "report.html"
    variables = f"{{input: {tmp_path / 'in.parquet'}, output: {tmp_path / 'out'}}}"
    report = ["report", "--recipe", tmp_path / "recipe.yml", "--output", file]
    told = captionlake(*report, "--variables", variables)
    assert told.exit_code == 0, told.stderr
    assert all(f"Entries, t = {t}" in file.read_text() for t in (5, 50))
    assert "variable 'input' has no value" in captionlake(*report).error

    one = captionlake(*given, "--set", "t=8", "--only", "few")
    assert statuses(one) == {"few": "done"}
    assert "few (balance-captions) ... setting t: 5 -> 8" in one.stderr
    forced = captionlake(*given, "--set", "t=8", "--from", "matches", "--force", "--dry-run")
    assert statuses(forced) == dict.fromkeys(ALL[2:], "would_run")
    assert "would run: forced" in forced.stderr

    pq.write_table(pa.table({"uid": ["u"], "caption": ["a cat"]}), tmp_path / "in.parquet")
    told = captionlake(*given, "--dry-run").stderr
    assert f"would run: input {tmp_path / 'in.parquet'}: files:" in told


def test_an_output_of_others_stops_before_anything_runs(captionlake, given, tmp_path) -> None:
    (tmp_path / "out/many").mkdir(parents=True)
    (tmp_path / "out/many/thesis.tex").write_text("years")
    outcome = captionlake(*given)
    assert outcome.exit_code == 3
    assert "holds files that are no Delta table, such as" in outcome.error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["many"]


def test_an_input_that_is_not_there_stops_before_anything_runs(
    captionlake, given, tmp_path
) -> None:
    (tmp_path / "in.parquet.txt").unlink()
    outcome = captionlake(*given)
    assert outcome.exit_code == 3
    place = f"{tmp_path / 'recipe.yml'}: step bank: sources.0: {tmp_path / 'in.parquet.txt'}"
    assert f"error: {place}: does not exist" in outcome.error
    assert not (tmp_path / "out").exists()
    outcome = captionlake(*given, "--only", "few")
    assert f"step few: captions: {tmp_path / 'out/captions'}: does not exist" in outcome.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "mtches"], "there is no step 'mtches', did you mean 'matches'?"),
        (["--only", "few", "--from", "few"], "give --from or --only, not both"),
        (["--set", "few.tt=3"], "step few: unknown setting 'tt'"),
        (["--set", "output="], "step captions: an address is empty"),
    ],
)
def test_a_wrong_call_is_one_line(captionlake, given, tmp_path, arguments, message) -> None:
    outcome = captionlake(*given, *arguments)
    assert outcome.exit_code == 2
    assert message in outcome.error


def test_a_step_whose_condition_does_not_hold_is_left_out_with_a_word(
    captionlake, given, tmp_path
) -> None:
    """So a scheduler can have a task for each step."""
    outcome = captionlake(*given, "--set", "few.when=[1, false]", "--only", "few")
    assert outcome.exit_code == 0, outcome.stderr
    assert "few: left out: its `when` is 1 and False, which is false or empty" in outcome.stderr
    assert outcome.summary["status"] == "done"
    assert "steps" not in outcome.summary
    assert not (tmp_path / "out").exists()


def test_a_name_that_no_recipe_has(captionlake) -> None:
    outcome = captionlake("run", "sinthclip")
    assert outcome.exit_code == 2
    assert "no recipe 'sinthclip', did you mean 'synthclip'?" in outcome.error


@pytest.mark.slow
def test_synthclip_writes_the_published_files(captionlake, spark, tmp_path) -> None:
    captions = ['a "cat"', "a cat", "a dog", "a\ncat", *(f"a cat {i}" for i in range(40))]
    (tmp_path / "in").mkdir()
    (tmp_path / "in/0.json").write_text(json.dumps(captions))
    (tmp_path / "metadata.json").write_text('["dog", "cat"]')
    out = tmp_path / "out"
    outcome = captionlake(
        *("run", "synthclip", "--set", f"input={tmp_path / 'in'}", "--set", "t=10"),
        *("--set", f"bank={tmp_path / 'metadata.json'}", "--set", f"output={out}"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    counts = outcome.summary["counts"]
    assert counts["captions"]["line_feed"] == 1
    assert counts["captions"]["duplicate_uid"] == 1  # without a url, equal captions have one uid
    pairs = json.loads((out / "files/curated_captions_00000.json").read_text())
    kept = read_delta(spark, out / "balanced_captions").collect()
    assert sorted(pairs) == sorted([row["caption"], row["entry_ids"]] for row in kept)
    assert 0 < len(pairs) < 42
    assert outcome.summary["report"] == str(out / "report.html")
    assert "balanced_captions" in (out / "report.html").read_text()


@pytest.mark.slow
def test_metaclip_balances_pairs_as_they_were_sampled(captionlake, tmp_path) -> None:
    captions = ["a cat", "a cat"] + [f"a dog {i}" for i in range(60)]
    urls = [f"https://example.org/{i}" for i in range(62)]
    pq.write_table(pa.table({"URL": urls, "TEXT": captions}), tmp_path / "in.parquet")
    (tmp_path / "metadata.json").write_text('["dog", "cat"]')
    outcome = captionlake(
        *("run", "metaclip", "--set", f"input={tmp_path / 'in.parquet'}", "--set", "t=10"),
        *("--set", f"bank={tmp_path / 'metadata.json'}", "--set", f"output={tmp_path / 'out'}"),
        *("--set", "captions.preset=laion400m"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    counts = outcome.summary["counts"]
    assert counts["matches"]["matched"] == 62
    assert 2 < counts["balanced_captions"]["kept"] < 40
    assert (tmp_path / "out/report.html").stat().st_size > 50_000
    assert list(counts) == ["captions", "matches", "balanced_captions", "plan", "report"]
