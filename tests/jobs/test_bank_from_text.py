"""A bank from texts and page views, by the command line: its tables, its page, its faults."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import TypeAdapter
from pyspark.sql import SparkSession

from spark_jobs.running.registry import all_jobs
from tests.delta_tables import read_delta

LINES = ["en Red_kite 60 0", "en Red_kite 30 0", "de Hund 90 0", "en Talk:Cat 99 0", "en broken"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """60 texts as wikiextractor writes them; `red kite` is a bigram of rare words."""
    texts = ["a cat and a dog"] * 30 + ["a dog"] * 29 + ["the red kite !", None]
    folder = tmp_path / "wiki" / "AA"
    folder.mkdir(parents=True)
    rows = [{"id": k, "url": f"u{k}", "title": "t", "text": text} for k, text in enumerate(texts)]
    (folder / "wiki_00").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "pageviews-20260101-000000").write_text("\n".join(LINES) + "\n")
    return tmp_path


def table(spark: SparkSession, path: Path) -> list[dict]:
    return [row.asDict() for row in read_delta(spark, path).collect()]


@pytest.mark.slow
def test_a_bank_from_text_its_decisions_check_difference_and_page(captionlake, spark, corpus):
    built = captionlake(
        *("build-concept-bank", "--sources", "[numbers, unigrams, bigrams, titles]"),
        *("--texts", corpus / "wiki", "--preset", "wikiextractor"),
        *("--page-views", corpus / "views"),
        *("--min-count", 30, "--min-pmi", 5, "--min-views", 60, "--output", corpus / "bank"),
        *("--ngrams", corpus / "ngrams", "--metadata", corpus / "metadata.json"),
    )
    counts = built.summary["counts"]
    assert counts["rows_in"] == 61
    assert counts["texts"] == 60
    assert counts["null_caption"] == counts["rejected"] == 1
    assert (counts["page_view_lines"], counts["wrong_number_of_fields"]) == (5, 1)
    words = Counter(" ".join(["a cat and a dog"] * 30 + ["a dog"] * 29 + ["the red kite"]).split())
    assert counts["words"] == words.total()
    bank = sorted(table(spark, corpus / "bank"), key=lambda row: row["entry_id"])
    entries = [(row["entry"], row["source"], row["count"]) for row in bank]
    assert entries[100:] == [
        ("a", "unigrams", 89),
        ("dog", "unigrams", 59),
        ("and", "unigrams", 30),
        ("cat", "unigrams", 30),
        ("red kite", "bigrams", 1),
        ("the red", "bigrams", 1),
        ("Red kite", "titles", 60),
    ]
    assert json.loads((corpus / "metadata.json").read_text()) == [row["entry"] for row in bank]
    decided = {(row["source"], row["entry"]): row for row in table(spark, corpus / "ngrams")}
    assert decided["unigrams", "kite"]["rule"] == "below_min_count"
    assert (decided["unigrams", "kite"]["value"], decided["unigrams", "kite"]["kept"]) == (1, False)
    assert decided["bigrams", "a dog"]["rule"] == "below_min_pmi"
    assert decided["bigrams", "red kite"]["kept"]
    reasons = Counter(row["reason"] for row in table(spark, corpus / "rejected"))
    assert reasons == {"null_caption": 1, "wrong_number_of_fields": 1}

    (corpus / "small.txt").write_text("dog\nyak\n")
    compared = captionlake("diff", corpus / "bank", corpus / "small.txt")
    lines = compared.summary["answer"]
    assert lines[0].startswith("a: 107 entries, 106 of them only there")
    assert lines[2] == "both: 1 entries"
    assert "89" in lines[4]
    assert any("yak" in line for line in lines)

    checked = captionlake(
        *("check-concept-bank", corpus / "wiki", "--preset", "wikiextractor"),
        *("--bank", corpus / "bank", "--min-count", 1, "--output", corpus / "missing"),
    )
    assert checked.summary["counts"]["matched"] == 60
    missing = {row["entry"]: row["count"] for row in table(spark, corpus / "missing")}
    assert missing == {"the": 1, "red": 1, "kite": 1}

    captionlake("report", "--table", corpus / "bank", "--output", corpus / "bank.html")
    page = (corpus / "bank.html").read_text()
    for text in ("Entries by source", "Captions with at least one match", "without an entry"):
        assert text in page


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["--sources", "unigram"], "did you mean 'unigrams'?; there are imagenet1k"),
        (["--sources", "unigrams"], "the source unigrams needs texts"),
        (["--sources", "numbers", "--texts", "x"], "texts needs a source"),
        (["--sources", "wordnet_names:/nowhere"], "/nowhere: does not exist"),
        (["--sources", "unigrams", "--texts", "{empty}"], "no file with content"),
        (["--sources", "unigrams", "--texts", "{marks}"], "none of its 1 texts has a word"),
        (["--sources", "titles", "--page-views", "{marks}"], "has no line of page views"),
        (["--sources", "unigrams", "--texts", "{columns}"], "has no column 'caption'"),
    ],
)
def test_a_faulty_input_is_one_line(captionlake, tmp_path: Path, settings, message):
    files = {"empty": ("empty.txt", ""), "marks": ("marks.txt", "!!! ...\n")}
    files["columns"] = ("columns.csv", "id,url\n1,x\n")
    for name, content in files.values():
        (tmp_path / name).write_text(content)
    paths = {key: tmp_path / name for key, (name, _) in files.items()}
    outcome = captionlake(
        "build-concept-bank",
        *(text.format(**paths) for text in settings),
        *("--output", tmp_path / "bank"),
    )
    assert message in outcome.error
    assert outcome.exit_code in (2, 3)


def test_the_bank_of_each_job_may_be_a_name() -> None:
    jobs = [job for job in all_jobs().values() if "bank" in job.settings.model_fields]
    assert {"curate", "generate-captions", "match-concepts"} <= {job.name for job in jobs}
    for job in jobs:
        info = job.settings.model_fields["bank"]
        field = TypeAdapter(Annotated[info.annotation, info])
        assert field.validate_python("imagenet22k") == "imagenet22k", job.name


@pytest.mark.parametrize("name", ["imagenet22q", "imagenet22k"])
def test_banks_go_by_name_where_one_is_asked_for(captionlake, tmp_path: Path, name):
    (tmp_path / "captions.txt").write_text("a goldfish\n")
    command = ("match-and-balance", tmp_path / "captions.txt", "--bank", name, "--t", 20)
    outcome = captionlake(*command, "--output", tmp_path / "out")
    if name == "imagenet22q":
        assert "did you mean 'imagenet22k'?; banks by name are" in outcome.error
    else:
        assert outcome.summary["counts"]["matched"] == 1
