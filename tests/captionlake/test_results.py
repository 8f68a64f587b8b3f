"""Results: tables by name, and what people see."""

import html
from pathlib import Path
from typing import Any

import pytest

from captionlake import Result, SettingsError, Step, WrittenFile, results
from spark_jobs.running.launch import Summary


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are told by address and version."""
    monkeypatch.setattr(results, "read_version", lambda address, version: (address, version))


MATCHES = Result(
    job="match-concepts",
    status="done",
    counts={"rows_in": 1_200, "matched": 3},
    outputs={"output": "/out/matches", "entry_counts": "main.curation.counts"},
    run_id="0" * 16,
    seconds=3.21,
    versions={"output": "delta:0:a", "entry_counts": "delta:4:b"},
)
CURATED = Result.from_summary(
    Summary(
        job="curate",
        status="done",
        run_id="1" * 16,
        outputs={
            "ingest-captions.output": "/out/captions",
            "balance-captions.output": "/out/balanced_captions",
            "report.output": "/out/report.html",
        },
        counts={"ingest-captions": {"kept": 3}, "balance-captions": {"kept": 2}, "report": {}},
        seconds=9.0,
        steps=[
            {"job": "ingest-captions", "status": "up_to_date", "run_id": "2"},
            {"job": "balance-captions", "status": "done", "run_id": "3"},
        ],
        versions={
            "ingest-captions.output": "delta:7:c",
            "balance-captions.output": "delta:1:d",
        },
    )
)


@pytest.mark.parametrize("name", [None, "output", "matches"])
def test_a_table_is_read_at_the_version_of_the_run(read: None, name: str | None) -> None:
    assert MATCHES.table(name) == ("/out/matches", "delta:0:a")


@pytest.mark.parametrize("name", ["entry_counts", "counts"])
def test_a_table_has_the_name_of_its_setting_and_its_own(read: None, name: str) -> None:
    assert MATCHES.table(name) == ("main.curation.counts", "delta:4:b")


def test_tables_of_a_pipeline_have_names(read: None) -> None:
    assert CURATED.table("balanced_captions") == ("/out/balanced_captions", "delta:1:d")
    assert CURATED.table("ingest-captions.output") == ("/out/captions", "delta:7:c")
    with pytest.raises(SettingsError, match="say which table; there are captions, balanced_capt"):
        CURATED.table()
    with pytest.raises(SettingsError, match="no table 'balanced_caption', did you mean 'balanced"):
        CURATED.table("balanced_caption")


def test_files_and_the_report() -> None:
    assert CURATED.report == CURATED.file("report.html") == WrittenFile("/out/report.html")
    assert MATCHES.report is None
    with pytest.raises(SettingsError, match="say which file; there are none"):
        MATCHES.file()


def test_steps_of_a_pipeline() -> None:
    assert CURATED.steps == (
        Step("ingest-captions", "ingest-captions", "up_to_date", "2", {"kept": 3}),
        Step("balance-captions", "balance-captions", "done", "3", {"kept": 2}),
    )


def test_a_result_in_text() -> None:
    assert repr(MATCHES).splitlines() == [
        "match-concepts: done in 3.2 s",
        "  counts        rows in 1,200, matched 3",
        "  output        /out/matches",
        "  entry_counts  main.curation.counts",
    ]


def test_credentials_in_addresses_are_hidden() -> None:
    result = Result("diff", "up_to_date", {}, {"output": "s3://u:secret@b/x"}, None, 0.0)
    assert "secret" not in repr(result) + result._repr_html_()
    assert "diff: up to date" in repr(result)


def test_an_answer_is_shown_alone() -> None:
    result = Result("explain", "done", {}, {}, None, 0.1, answer=("uid 1", "kept: a < b"))
    assert repr(result) == "uid 1\nkept: a < b"
    assert result._repr_html_() == "<pre>uid 1\nkept: a &lt; b</pre>"


def test_rows_of_an_answer_are_data_as_on_the_command_line() -> None:
    row = "uid 1  password=hunter22  https://a.b/c.jpg?sig=abc"
    assert repr(Result("show", "done", {}, {}, None, 0.1, answer=(row,))) == row


def test_a_result_in_a_notebook_has_its_picture(tmp_path: Path) -> None:
    picture = tmp_path / "plan.svg"
    picture.write_text("<svg/>")
    result = Result("plan-balance", "done", {"t": 5}, {"picture": str(picture)}, None, 0.1)
    shown = result._repr_html_()
    assert "data:image/svg+xml;base64,PHN2Zy8+" in shown  # echo -n '<svg/>' | base64
    assert "t 5" in shown


def test_a_report_is_a_frame_with_the_page_in_it(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text('<!doctype html><p class="x">50 & 60</p>')
    report: Any = Result("report", "done", {"runs": 1}, {"output": str(page)}, None, 0.1)
    shown = report._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    content = shown.partition('srcdoc="')[2].partition('"')[0]
    assert html.unescape(content) == page.read_text()
    assert WrittenFile(str(page), height=300)._repr_html_().count("300px") == 1


def test_a_file_that_is_gone_is_told() -> None:
    with pytest.raises(Exception, match=r"/nowhere/report\.html"):
        WrittenFile("/nowhere/report.html").read()
    assert WrittenFile("/nowhere/uids.npy")._repr_html_() is None
