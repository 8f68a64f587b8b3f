"""generate-captions: what is asked, what is kept, what the same command does again."""

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_jobs.jobs.generate_captions import GenerateCaptions, closing_lines
from tests.caption_server import KEY, MODEL, CaptionServer, running
from tests.delta_tables import read_delta
from tests.processes import QUICK_JAVA

PROMPT = "Write of <{{ concept }}>."


def rows_of(spark: SparkSession, folder: Path) -> list[Any]:
    return read_delta(spark, f"{folder}_generations").collect()


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    (tmp_path / "bank.txt").write_text("dog\nred apple\nSt. Bernard\ndog\n")
    (tmp_path / "prompt.j2").write_text(PROMPT)
    return tmp_path / "bank.txt"


def arguments(bank: Path, server: CaptionServer | None, *options: object) -> list[object]:
    by = ["--backend", "templates"]
    if server is not None:
        by = ["--backend", "openai", "--server", server.url, "--model", MODEL, "--tasks", "1"]
        by += ["--prompt", str(bank.parent / "prompt.j2"), "--timeout", "1", "--retries", "0"]
    return ["generate-captions", "--bank", bank, "--output", bank.parent / "out", *by, *options]


def test_each_concept_gets_its_captions_and_more_are_asked_only_for_more(
    captionlake: Any, spark: SparkSession, bank: Path
) -> None:
    counts = captionlake(*arguments(bank, None)).summary["counts"]
    assert counts == {
        "entries": 4, "asked": 3, "wanted": 4, "accepted": 3, "refused_never_matches": 1,
        "tokens": 0,
    }  # fmt: skip
    first = json.loads((bank.parent / "out" / "0.json").read_text())
    concepts = ["dog", "red apple", "dog"]
    assert [n for n, c in zip(concepts, first, strict=True) if f" {n} " not in c] == []
    more = captionlake(*arguments(bank, None, "--n", 2))
    tries = rows_of(spark, bank.parent / "out")
    assert more.summary["counts"]["accepted"] == 6
    assert more.summary["counts"]["asked"] == len(tries) - 3 - 2  # one of each is not asked for
    assert json.loads((bank.parent / "out" / "0.json").read_text()) == first
    assert len({*first, *json.loads((bank.parent / "out" / "1.json").read_text())}) == 6
    assert {(row.concept, row.status) for row in tries if row.cause == "never_matches"} == {
        ("St. Bernard", "refused")
    }
    assert captionlake(*arguments(bank, None, "--n", 2)).summary["status"] == "up_to_date"


def test_more_tries_are_no_remedy_for_what_is_not_asked() -> None:
    settings = GenerateCaptions(bank="bank.txt", output="out")
    (never,) = closing_lines(None, settings, {"refused_never_matches": 2})  # type: ignore[arg-type]
    assert never.startswith("  2 refused: never_matches: not asked for")
    both = {"refused_never_matches": 2, "failed_timeout": 1}
    lines = closing_lines(None, settings, both)  # type: ignore[arg-type]
    assert lines[-1] == "  try them again: a larger --tries"


@pytest.mark.slow
def test_synthclips_files_come_out_byte_for_byte(
    captionlake: Any, cases: Path, tmp_path: Path
) -> None:
    case = cases / "synthclip_generation"
    prompts = pq.read_table(case / "expected_prompts.parquet").to_pylist()
    responses = pq.read_table(case / "input_responses.parquet").to_pylist()
    answers = {p["prompt"]: r["response"] for p, r in zip(prompts, responses, strict=True)}
    bank = tmp_path / "metadata.json"
    bank.write_bytes((case / "input_concepts.json").read_bytes())
    with running(CaptionServer(write=answers.__getitem__)) as server:
        captionlake(
            *("generate-captions", "--preset", "synthclip", "--bank", bank, "--chunk", 7),
            *("--backend", "openai", "--server", server.url, "--model", MODEL),
            *("--output", tmp_path / "out"),
        )
    assert {seed for _, seed in server.asked} == {None}
    written = (tmp_path / "out" / "7.json").read_bytes()
    assert written == (case / "expected_7.json").read_bytes()


def faulty(prompt: str, times: int) -> str:
    """A tenth of all requests fails, each prompt in its own way."""
    ways = ["500", "429", "truncated", "no_choices", "reset", "null_text", "hang", "400"]
    number = zlib.crc32(f"{prompt} {times}".encode())
    return ways[number // 10 % len(ways)] if number % 10 == 0 else "good"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_concepts_end_with_a_caption_or_a_cause(
    captionlake: Any, spark: SparkSession, bank: Path
) -> None:
    concepts = [f"concept {number}" for number in range(10_000)]
    bank.write_text("\n".join(concepts))

    def write(prompt: str) -> str:
        name = prompt.removeprefix("Write of <").removesuffix(">.")
        return "I cannot do this." if name.endswith("7") else f"A photo of {name} ."

    with running(CaptionServer(behave=faulty, write=write)) as server:
        counts = captionlake(*arguments(bank, server, "--tries", 2)).summary["counts"]
    assert (
        counts["wanted"]
        == 10_000
        == counts["accepted"]
        + sum(n for name, n in counts.items() if name.startswith(("refused", "failed")))
    )
    assert counts["accepted"] >= 8_900  # a tenth is refused, of the others a hundredth fails twice
    tries = rows_of(spark, bank.parent / "out")
    assert len(tries) == len(server.asked) == counts["asked"]
    assert len({(row.concept, row.attempt) for row in tries}) == len(tries)
    assert {r.attempt for r in tries if r.concept == "concept 17"} == {1, 2, 3}
    assert max(Counter(server.answered).values()) == 1


@pytest.mark.slow
def test_tasks_share_the_limits_and_other_checks_are_other_work(
    captionlake: Any, spark: SparkSession, bank: Path
) -> None:
    """Twenty concepts of sixty are refused each time, which stops nobody."""
    bank.write_text("\n".join(f"concept {number}" for number in range(60)))

    def behave(prompt: str, _times: int) -> str:
        return "400" if int(prompt.rpartition(" ")[2].removesuffix(">.")) % 3 == 0 else "good"

    def write(prompt: str) -> str:
        return "Nothing." if prompt.endswith("1>.") else f"A photo of {prompt[10:-2]} ."

    both = ["--tasks", 2, "--concurrency", 8, "--timeout", 30]
    with running(CaptionServer(behave=behave, write=write, delay_s=0.3)) as server:
        line = arguments(bank, server, *both, "--tries", 1)
        counts = captionlake(*line, "--checks", "", "--n", 2).summary["counts"]
        assert (counts["accepted"], counts["failed_request"]) == (80, 40)
        assert server.most_at_once == 8
        assert len(server.asked) == 2 * (40 + 2 * 20)
        counts = captionlake(*line, "--budget-tokens", 10_000).summary["counts"]
        assert (counts["accepted"], counts["refused_concept_absent"]) == (36, 4)
        # One task's end of its share does not end the run.
        few = arguments(bank, server, *both, "--tries", 0, "--max-words", 7)
        stopped = captionlake(*few, "--budget-tokens", 600)
    assert "the budget of tokens is used up; " in stopped.error
    spent = sum(
        r.prompt_tokens or 0 for r in rows_of(spark, bank.parent / "out") if "7" in r.checks
    )
    assert 280 <= spent <= 310
    files = {file.name for file in (bank.parent / "out").glob("*.json")}
    assert files == {"0.json"}


@pytest.mark.slow
def test_a_budget_stops_in_one_line_and_a_larger_one_goes_on(
    captionlake: Any, spark: SparkSession, bank: Path
) -> None:
    bank.write_text("\n".join(f"concept {number}" for number in range(50)))
    with running(CaptionServer()) as server:
        stopped = captionlake(*arguments(bank, server, "--budget-tokens", 400))
        assert stopped.exit_code == 4
        assert "the budget of tokens is used up; 20 of 50 captions are there" in stopped.error
        whole = captionlake(*arguments(bank, server, "--budget-tokens", 4_000))
    assert (whole.summary["counts"]["asked"], whole.summary["counts"]["accepted"]) == (30, 50)
    assert len(server.asked) == len({prompt for prompt, _ in server.asked}) == 50
    assert len(rows_of(spark, bank.parent / "out")) == 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompt", "captoin"], "no prompt 'captoin', did you mean 'caption'?"),
        (["--prompt", "{folder}/none.j2"], "does not name the concept"),
        (["--checks", "echo,concept_absence"], "there is no check 'concept_absence', did you mean"),
        (["--backend", "openai"], "backend openai: give --server and --model"),
        (["--server", "127.0.0.1:80"], "expected an address of http or https"),
        (["--server", "http://me:secret@127.0.0.1/v1"], "without a user in it"),
        (["--api-key-env", "sk-0123"], "expected the name of an environment variable"),
        (["--backend", "transformers", "--model", "./none"], "has no config.json"),
        (["--lang-model", "lid.ftz"], "lang_model: give --lang"),
        (["--concepts", "5"], "concepts = 5: bank"),
        (["--bank", "{folder}/empty.txt"], "no file with content"),
    ],
)
def test_bad_input_is_one_line(
    captionlake: Any, bank: Path, options: list[str], message: str
) -> None:
    (bank.parent / "none.j2").write_text("A caption")
    (bank.parent / "empty.txt").touch()
    filled = [option.replace("{folder}", str(bank.parent)) for option in options]
    outcome = captionlake(*arguments(bank, None), *filled)
    assert outcome.exit_code in (2, 3)
    assert message in outcome.error
    assert "secret" not in outcome.stderr


@pytest.mark.slow
def test_a_wrong_key_is_said_once_and_stands_nowhere(
    captionlake: Any, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "sk-other-0123456789-0123456789-0123"
    bank.write_text("\n".join(f"concept {number}" for number in range(500)))
    with running(CaptionServer(key=KEY)) as server:
        monkeypatch.setenv("OTHER_KEY", wrong)
        outcome = captionlake(*arguments(bank, server, "--api-key-env", "OTHER_KEY"))
        assert "answers 401: the key is wrong" in outcome.error
        monkeypatch.setenv("OTHER_KEY", KEY)
        whole = captionlake(*arguments(bank, server, "--api-key-env", "OTHER_KEY"))
    assert whole.summary["counts"]["accepted"] == 500
    files = (path for path in bank.parent.rglob("*") if path.is_file())
    assert [path for path in files if wrong.encode() in path.read_bytes()] == []
    files = (path for path in bank.parent.rglob("*") if path.is_file())
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def wait_until_silent(server: CaptionServer) -> None:
    """Wait until the workers of a killed driver have seen that it is gone, and ask no more."""
    n_answered = -1
    while n_answered < len(server.answered):
        n_answered = len(server.answered)
        time.sleep(1)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_a_run_that_is_killed_twice_asks_nothing_again_and_loses_nothing(
    captionlake: Any, spark: SparkSession, bank: Path
) -> None:
    bank.write_text("\n".join(f"concept {number}" for number in range(200)))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYSPARK_")}
    with running(CaptionServer(delay_s=0.05)) as server:
        line = arguments(bank, server, "--concurrency", 4, "--timeout", 30)
        for wanted in (50, 120):
            command = [Path(sys.executable).parent / "captionlake", *map(str, line)]
            killed = subprocess.Popen(
                command, env=environment | QUICK_JAVA | {"SPARK_DRIVER_MEMORY": "1g"},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            deadline_s = time.monotonic() + 250
            while len(server.answered) < wanted and time.monotonic() < deadline_s:
                assert killed.poll() is None
                time.sleep(0.01)
            os.killpg(killed.pid, signal.SIGKILL)
            killed.wait()
            wait_until_silent(server)
        n_before = len(server.answered)
        counts = captionlake(*line).summary["counts"]
    assert (counts["wanted"], counts["accepted"]) == (200, 200)
    # What was on its way at a kill may have been answered without anybody to hear it.
    assert 200 <= len(server.answered) <= 208
    assert counts["asked"] <= 200 - n_before + 8
    assert len(rows_of(spark, bank.parent / "out")) == 200
    assert len(json.loads((bank.parent / "out" / "0.json").read_text())) == 200
