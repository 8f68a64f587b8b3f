"""report: what the page says is what the tables hold; odd captions do it no harm."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta

NASTY = "<script>alert(1)</script> & <img src=x onerror=y> cat"


class Page(HTMLParser):
    """Tags, ids, links and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(self.source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):  # type: ignore[no-untyped-def]
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in {"src", "href", "xlink:href"}:
                self.addresses.append(value)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def curated(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 cats, 3 newts, a caption of markup, copies, one without an entry, two rejected."""
    from spark_jobs.jobs import curate
    from spark_jobs.running.launch import execute

    folder = tmp_path_factory.mktemp("report")
    captions = [f"a cat {i}" for i in range(400)] + [f"a newt {i}" for i in range(3)]
    captions += [NASTY, "NUL \x00 and \u202e newt", "nothing", "a cat 1", "a cat 2", None, None]
    uids = [f"u{i}" for i in range(len(captions))]
    pq.write_table(pa.table({"uid": uids, "caption": captions}), folder / "in.parquet")
    (folder / "bank.txt").write_text("cat\nnewt\n<b>bold</b>\n")
    settings = curate.Curate(
        input=str(folder / "in.parquet"),
        bank=str(folder / "bank.txt"),
        t=30,
        output=str(folder / "out"),
    )
    summary = execute(curate.JOB, settings, say=lambda line: None)
    assert summary.report == str(folder / "out/report.html")
    return folder / "out"


@pytest.fixture(scope="module")
def page(curated: Path) -> Page:
    return Page(curated / "report.html")


def test_the_funnel_has_the_rows_of_every_step(page: Page, spark: SparkSession, curated: Path):
    kept = read_delta(spark, curated / "balanced_captions").count()
    assert "read 410" in page.text
    assert "accepted 408 2 fewer" in page.text
    assert "2 fewer (" not in page.text  # the only reason is no news
    assert "unique 406 2 fewer" in page.text
    assert "matched 405 1 fewer" in page.text
    assert f"kept {kept} {405 - kept} fewer" in page.text


def test_the_title_says_what_happened(page: Page, spark: SparkSession, curated: Path):
    kept = read_delta(spark, curated / "balanced_captions").count()
    assert f"410 → {kept} captions, t = 30 – captionlake report" in page.text


def test_the_entries_are_those_of_the_tables(page: Page, spark: SparkSession, curated: Path):
    rows = read_delta(spark, curated / "entry_probabilities").collect()
    kept = {row["entry"]: row["kept_count"] for row in rows}
    assert f"cat 401 {kept['cat']} newt 4 4" in page.text
    assert "2 of 3 entries occur in a caption." in page.text
    assert "1 entry occurs in more than t = 30 captions: the head." in page.text


def test_examples_carry_the_reason(page: Page):
    assert re.search(
        r"dropped draw 0\.\d+ >= keep probability 0\.07\d+ \(t 30, seed 0\)", page.text
    )
    assert re.search(r"kept draw 0\.\d+ < keep probability [01]\.\d+ \(t 30, seed 0\)", page.text)
    assert "dropped it matches no entry" in page.text
    assert "dropped the same caption has a row with a smaller uid" in page.text
    assert "dropped null caption" in page.text
    assert re.search(r"seed 0\) uid u\d+ ", page.text)
    assert "the same caption has a row with a smaller uid uid u4" in page.text
    assert "captionlake explain --run" in page.text


def test_runs_settings_and_versions_are_told(page: Page):
    for told in ("ingest-captions", "dedup-captions", "balance-captions", "version delta:0"):
        assert told in page.text


def test_nothing_is_fetched_and_nothing_runs(page: Page):
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert all(address.startswith("#") for address in page.addresses)
    assert not re.search(r"url\((?!#)|@import", page.source)
    assert page.tags.count("svg") == 3
    assert {address[1:] for address in page.addresses} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.slow
def test_the_same_run_gives_the_same_page(captionlake, curated: Path, page: Page, tmp_path):
    again = tmp_path / "again.html"
    outcome = captionlake("report", "--table", curated / "balanced_captions", "--output", again)
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["report"] == str(again)
    assert again.read_text() == page.source


@pytest.mark.slow
def test_a_report_of_a_run_of_a_workspace(captionlake, spark, curated: Path, tmp_path):
    runs = read_delta(spark, curated / "runs")
    ingest = runs.where("job = 'ingest-captions'").first()["run_id"]
    file = tmp_path / "ingest.html"
    outcome = captionlake("report", "--run", curated, "--run-id", ingest, "--output", file)
    assert outcome.summary["counts"] == {"runs": 1, "pictures": 0}
    assert "No run here counts the captions of entries" in Page(file).text
    assert "No run here counts the captions of entries" in outcome.stderr
    matching = runs.where("job = 'dedup-captions'").first()["run_id"]
    outcome = captionlake("report", "--run", curated, "--run-id", matching, "--output", file)
    assert outcome.summary["counts"] == {"runs": 2, "pictures": 3}
    assert Page(file).tags.count("svg") == 3
    outcome = captionlake("report", "--run", curated, "--output", file)
    assert outcome.summary["counts"] == {"runs": 3, "pictures": 3}


@pytest.mark.slow
def test_a_report_that_cannot_be_written_is_a_warning(
    captionlake, curated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spark_jobs.storage.outputs import files

    inputs = curated.parent
    command = ["curate", inputs / "in.parquet", "--bank", inputs / "bank.txt", "--t", 30]
    command += ["--output", curated]
    report = curated / "report.html"
    report.unlink()

    def refuse(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(files, "_write", refuse)
        outcome = captionlake(*command)
    warning = f"warning: output {report}: cannot be written ([Errno 13] Permission denied)"
    assert f"{warning}; all else is done" in outcome.stderr
    assert (outcome.exit_code, outcome.summary["report"]) == (0, None)
    assert not report.exists()
    assert captionlake(*command).summary["report"] == str(report)
    assert Page(report).tags.count("svg") == 3


@pytest.mark.slow
def test_what_is_not_there_is_one_line(captionlake, curated: Path, tmp_path, spark):
    def error(*arguments: object) -> str:
        outcome = captionlake("report", *arguments)
        assert outcome.exit_code in {2, 3}
        return outcome.error

    assert f"{curated}/runs: there is no run with run_id x" in error(
        *("--run", curated, "--run-id", "x")
    )
    assert f"{tmp_path}/runs: does not exist" in error("--run", tmp_path)
    assert f"{curated}/nope: does not exist" in error("--table", curated / "nope")
    spark.range(3).write.format("delta").save(str(curated / "foreign"))
    assert f"no run there wrote {curated}/foreign" in error("--table", curated / "foreign")
    assert "expected exactly one of table, run and recipe" in error("--output", tmp_path / "x.html")
    assert "holds only tables: give a file" in error("--run", "main.curation")
    assert "cannot be written" in error(
        *(
            "--table",
            curated / "matches",
            "--output",
            curated / "runs/_delta_log/x/../../../report.html/y",
        )
    )
