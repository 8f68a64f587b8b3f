"""Entries of a bank from several sources, by MetaCLIP's and MetaCLIP 2's rules."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_jobs.concepts.choosing import (
    UNSPACED,
    Candidate,
    Offer,
    bigram_text,
    choose_entries,
)
from spark_jobs.concepts.limits import highest_of_each_language
from spark_jobs.concepts.rule_settings import EntryRules
from spark_jobs.concepts.sources import SOURCE_COLUMNS, numbers
from spark_jobs.concepts.titles import parsed_lines, title_views
from spark_jobs.concepts.union import united_bank
from spark_jobs.core.errors import InputDataError


def offered(texts: list[str]) -> list[Candidate]:
    return [Candidate(text) for text in texts]


def chosen(*offers: Offer, rule: str = "metaclip") -> list[tuple[str, str]]:
    return [(c.entry, source) for source, c in choose_entries(offers, rule)]  # type: ignore[arg-type]


def given(texts: list[str], langs: list[str | None] | None = None) -> pa.Table:
    rows = [{"entry": text, "source": "given"} for text in texts]
    for row, lang in zip(rows, langs or [], strict=bool(langs)):
        row["lang"] = lang  # type: ignore[assignment]
    return pa.Table.from_pylist(rows, schema=SOURCE_COLUMNS)


def test_the_first_source_of_a_text_names_it():
    second = Offer("b", offered(["cat", "dog", "!", "--"]))
    assert chosen(Offer("a", offered(["cat", ""])), second) == [
        ("cat", "a"), ("dog", "b"), ("--", "b"),
    ]  # fmt: skip


def test_metaclip2_strips_and_refuses_punctuation_and_long_texts():
    texts = [" cat ", "cat", "，。", "!!!", "x" * 257, "x" * 256]
    assert chosen(Offer("unigrams", offered(texts)), rule="metaclip2") == [
        ("cat", "unigrams"), ("x" * 256, "unigrams"),
    ]  # fmt: skip
    assert ("x" * 257, "list") in chosen(Offer("list", offered(texts)), rule="metaclip2")


def test_entries_already_there_do_not_count_towards_the_limit():
    offers = Offer("a", offered(["x"])), Offer("unigrams", offered(["x", "y", "z"]), limit=1)
    assert chosen(*offers, rule="metaclip2") == [("x", "a"), ("y", "unigrams")]
    none = Offer("unigrams", offered(["y", "z"]), limit=0)  # it is looked at after each entry
    assert chosen(none, rule="metaclip2") == [("y", "unigrams")]


def test_the_bank_of_each_language_has_the_numbers_and_its_own_entries():
    counted = {
        "unigrams": ({"de": [Candidate("Hund", 7)], "en": [Candidate("dog", 9)]}, {}),
        "titles": ({"de": [Candidate("7", 5)], "fr": [Candidate("Chien", 5)]}, {}),
    }
    lists = {"numbers": numbers(), "lines:x": given(["cat", "Katze"], [None, "de"])}
    order = ["numbers", "lines:x", "unigrams", "titles"]
    bank = united_bank(lists, counted, order, rule="metaclip2", lang="en", for_all=["numbers"])
    rows = [row for row in bank.to_pylist() if not row["entry"].isdigit()]
    found = [(row["lang"], row["entry"], row["source"], row["count"]) for row in rows]
    assert found == [
        ("de", "Katze", "given", None),
        ("de", "Hund", "unigrams", 7),
        ("en", "cat", "given", None),
        ("en", "dog", "unigrams", 9),
    ]
    assert bank.num_rows == 204


def test_no_entry_at_all_is_one_line():
    with pytest.raises(InputDataError, match="no entry is left"):
        united_bank({}, {"unigrams": ({}, {})}, ["unigrams"], rule="metaclip", lang="en")


def test_limits_keep_the_highest_of_each_language_with_ties(spark: SparkSession):
    rows = [("a", 5), ("a", 3), ("a", 3), ("a", 1), ("b", 1), ("b", 2)]
    frame = spark.createDataFrame(rows, "lang string, n long")
    kept = highest_of_each_language(frame, F.col("n"), {"a": 2, "b": 9}).collect()
    expected = [("a", 3), ("a", 3), ("a", 5), ("b", 1), ("b", 2)]
    assert sorted(tuple(row) for row in kept) == expected


def test_the_rule_gives_the_thresholds_that_are_not_set():
    rules = EntryRules(rule="metaclip2", min_count=3, max_titles=5, workspace="/x")
    thresholds = rules.thresholds()
    assert (thresholds.min_count, thresholds.min_pmi, thresholds.min_views) == (3, 30.0, 1)
    assert thresholds.limit("unigrams", 1_000) == 100
    assert thresholds.limit("titles", 1_000) == 5
    assert EntryRules(workspace="/x").thresholds().limit("unigrams", 1_000) is None


def test_banks_of_metaclip_are_the_published_ones(cases):
    folder = cases / "concept_bank_text"

    def column(name: str, entry: str, kept: bool = False) -> list[str]:
        rows = pq.read_table(folder / f"v1_{name}.parquet").to_pylist()
        return [row[entry] for row in rows if not kept or row["kept"]]

    words = zip(column("expected_pmi", "word1", True), column("expected_pmi", "word2", True),
                strict=True)  # fmt: skip
    offers = [
        Offer("number", offered(numbers()["entry"].to_pylist())),
        Offer("wordnet", offered(column("input_wordnet_names", "entry"))),
        Offer("unigram", offered(column("expected_unigrams", "entry"))),
        Offer("bigram", offered([bigram_text(*pair, "en", "metaclip") for pair in words])),
        Offer("title", offered(column("expected_titles", "title", True))),
    ]
    published = pq.read_table(folder / "v1_expected_bank.parquet").to_pylist()
    expected = {(row["entry"], row["first_source"]) for row in published}
    found = chosen(*offers)
    assert len(found) == len(published)
    assert set(found) == expected


def test_banks_of_metaclip2_are_the_published_ones_in_order(cases):
    folder = cases / "concept_bank_text"
    rows = pq.read_table(folder / "v2_input_sources.parquet").to_pylist()
    published = pq.read_table(folder / "v2_expected_bank.parquet").to_pylist()
    thresholds = EntryRules(rule="metaclip2", min_pmi=5, workspace="/x").thresholds()
    for lang in sorted({row["lang"] for row in published}):
        of_kind = {
            kind: sorted(
                (row for row in rows if (row["lang"], row["kind"]) == (lang, kind)),
                key=lambda row: -(row["value"] or 0),
            )
            for kind in ("wordnet", "unigram", "pmi", "title")
        }
        # Lists of other languages than English mark words joined by "+", which MetaCLIP 2 removes
        # in three of them.
        without = "+" if lang in ("zh", "ja", "fr") else ""
        lists = [row["entry"].replace(without, "") if without else row["entry"]
                 for row in of_kind["wordnet"]]  # fmt: skip
        bigrams = [row["entry"].split(" ") for row in of_kind["pmi"] if row["value"] > 5]
        offers = [
            Offer("", offered(numbers()["entry"].to_pylist())),
            Offer("w", offered(lists)),
            Offer("unigrams", offered([row["entry"] for row in of_kind["unigram"]]),
                  thresholds.limit("unigrams", len(of_kind["unigram"]))),
            Offer("bigrams", offered([bigram_text(*pair, lang, "metaclip2") for pair in bigrams]),
                  thresholds.limit("bigrams", 0)),
            Offer("titles", offered([row["entry"] for row in of_kind["title"]]),
                  thresholds.limit("titles", len(of_kind["title"]))),
        ]  # fmt: skip
        found = [(entry, source[:1]) for entry, source in chosen(*offers, rule="metaclip2")]
        expected = [(row["entry"], row["source"]) for row in published if row["lang"] == lang]
        assert found == expected, lang
    assert "ja" in UNSPACED


def test_titles_are_the_published_ones(spark: SparkSession, cases):
    folder = cases / "concept_bank_text"
    for version, project, hour in (("v1", "en", 50), ("v2", None, 1)):
        table = pq.read_table(folder / f"{version}_input_pageviews.parquet")
        lines = spark.createDataFrame(
            [(line,) for line in table["line"].to_pylist()], "line string"
        )
        sound = parsed_lines(lines).where("fault IS NULL")
        views = title_views(sound, min_hour_views=hour, project=project).collect()
        found = {(row["lang"], row["entry"]): row["count"] for row in views}
        published = pq.read_table(folder / f"{version}_expected_titles.parquet").to_pylist()
        assert found == {(row.get("lang", "en"), row["title"]): row["views"] for row in published}


def test_broken_lines_of_page_views_have_a_fault(spark: SparkSession):
    lines = ["en Cat 5 0", "en Cat 5", "en Cat five 0", "en Cat -5 0", "", None, "en a b 5 0"]
    frame = spark.createDataFrame([(line,) for line in lines], "line string")
    faults = [row["fault"] for row in parsed_lines(frame).collect()]
    wrong, no_number = "wrong_number_of_fields", "views_not_a_number"
    assert faults == [None, wrong, no_number, no_number, wrong, wrong, wrong]
