"""match-concepts with MetaCLIP 2's rule: all languages in one pass, as published."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.delta_tables import read_delta
from udfs.text.matchers import metaclip2_matcher
from udfs.text.metaclip2_match import padded_entry


@pytest.fixture
def published(cases: Path) -> dict[str, list[dict]]:
    names = ("input_captions", "input_entries", "expected_matches")
    return {n: pq.read_table(cases / f"metaclip2_cjk/{n}.parquet").to_pylist() for n in names}


@pytest.fixture
def bank(published) -> dict[str, list[str]]:
    """Language -> entries, in the order of their published ids."""
    of: dict[str, list[str]] = {}
    for row in sorted(published["input_entries"], key=lambda r: (r["lang"], r["entry_id"])):
        of.setdefault(row["lang"], []).append(row["entry"])
    return of


def test_all_languages_at_once_give_the_published_matches(published, bank) -> None:
    entries = [(lang, entry) for lang, of in bank.items() for entry in of]
    start = {lang: [known for known, _ in entries].index(lang) for lang in bank}
    rows = published["input_captions"]
    columns = [pa.array([row[c] for row in rows], pa.string()) for c in ("caption", "lang")]
    expected = {row["caption_id"]: row for row in published["expected_matches"]}
    langs, texts = [lang for lang, _ in entries], [entry for _, entry in entries]
    found = metaclip2_matcher(texts, langs, duplicates="last").match(columns).to_pylist()
    assert found == [
        sorted(
            start[r["lang"]] + k
            for k in expected[r["caption_id"]]["entry_ids_reference_after_strip"]
        )
        for r in rows
    ]
    assert sum(map(len, found)) > 500


def test_other_languages_and_none_match_nothing() -> None:
    matcher = metaclip2_matcher(["cat", "猫", "cat", "", "x"], ["en", "zh", "fr", "en", None])
    captions = pa.array(["a cat", "大猫", "cat", "cat", None, "x  "])
    langs = pa.array(["en", "zh", "de", None, "en", "en"])
    assert matcher.match([captions, langs]).to_pylist() == [[0], [1], [], [], [], []]
    assert matcher.match([captions[:0], langs[:0]]).to_pylist() == []


def test_kana_and_hangul_can_be_scripts_without_spaces() -> None:
    assert padded_entry("ねこ") == " ねこ "
    assert padded_entry("ねこ", is_mended=True) == "ねこ"
    captions, langs = pa.array(["大きいねこです"]), pa.array(["ja"])
    assert metaclip2_matcher(["ねこ"], ["ja"]).match([captions, langs]).to_pylist() == [[]]
    mended = metaclip2_matcher(["ねこ"], ["ja"], is_mended=True)
    assert mended.match([captions, langs]).to_pylist() == [[0]]


@pytest.mark.slow
def test_the_recipe_counts_and_balances_by_language(
    captionlake, spark: SparkSession, published, bank, tmp_path: Path
) -> None:
    rows = published["input_captions"]
    table = {"uid": [str(row["caption_id"]) for row in rows]}
    table |= {c: [row[c] for row in rows] for c in ("caption", "lang")}
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    (tmp_path / "bank.json").write_text(json.dumps(bank))
    outcome = captionlake(
        *("run", "metaclip2", "--set", f"input={tmp_path / 'in.parquet'}", "--set", "t=5"),
        *("--set", f"bank={tmp_path / 'bank.json'}", "--set", f"output={tmp_path / 'out'}"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    counts = read_delta(spark, tmp_path / "out/entry_probabilities").collect()
    expected: dict[tuple[str, str], int] = {}
    lang_of = {row["caption_id"]: row["lang"] for row in rows}
    for row in published["expected_matches"]:
        lang = lang_of[row["caption_id"]]
        for k in row["entry_ids_reference_after_strip"]:
            key = (lang, bank[lang][k], k)
            expected[key] = expected.get(key, 0) + 1
    first = {}
    for row in sorted(counts, key=lambda row: row["entry_id"]):
        first.setdefault(row["lang"], row["entry_id"])
    found = {
        (row["lang"], row["entry"], row["entry_id"] - first[row["lang"]]): row["entry_count"]
        for row in counts
        if row["entry_count"]
    }
    assert found == expected
    assert len({row["t"] for row in counts}) > 1
    assert 0 < outcome.summary["counts"]["balanced_captions"]["kept"] < len(rows)


def test_a_bank_or_captions_without_languages_are_named(captionlake, tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": ["u"], "caption": ["a cat"]}), tmp_path / "captions.parquet")
    (tmp_path / "bank.txt").write_text("cat\n")
    arguments = ["match-concepts", "--bank", tmp_path / "bank.txt", "--rule", "metaclip2"]
    arguments += ["--output", tmp_path / "out", "--captions"]
    outcome = captionlake(*arguments, f"parquet:{tmp_path / 'captions.parquet'}")
    assert outcome.exit_code == 3
    assert "has no column 'lang'" in outcome.error
    table = pa.table({"uid": ["u"], "caption": ["a cat"], "lang": ["en"]})
    pq.write_table(table, tmp_path / "with_lang.parquet")
    outcome = captionlake(*arguments, f"parquet:{tmp_path / 'with_lang.parquet'}")
    assert "rule metaclip2 needs a column lang" in outcome.error
